"""Dependencies that are not scanned, not on every build, without effect, or known to be vulnerable."""

from __future__ import annotations

from upheld_reference.codebase import tree
from upheld_reference.codebase.model import Change, Edit, Push, Review
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.sabotages.repository import CI, add_change, edit_file, put_file, without_check

_CLAIM = ("deps-scanned",)
_ALSO = ("security-in-process",)
_NEXT = "  bandit:\n"
_PIN = """jinja2==3.1.6 \\
    --hash=sha256:0137fb05990d35f1275a587e9aee6d56da821fc83491a0fb838183be43f66d6d \\
    --hash=sha256:85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67
"""
_OLD_PIN = """jinja2==3.1.3 \\
    --hash=sha256:7d6d50dd97d52cbc355597bd845fabfbac3f551e1f99619e39a35ce8c370b5fa \\
    --hash=sha256:ac8bd6544d4bb2c9792bf3a159e80bba8fda7f07e81bc3aed565432d5925ba90
"""


def _scan_job() -> str:
    """The text of the job that scans, in the pipeline's definition."""
    text = tree.files()[CI].decode("utf-8")
    return text[text.index("  dependency-scan:\n") : text.index(_NEXT)]


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("continue-on-error",))
def scan_continues_on_error(platform: Platform) -> None:
    """The pipeline goes on when the dependency scan finds something."""
    name = "    name: dependency scan\n"
    edit_file(platform, CI, name, f"{name}    continue-on-error: true\n")


@sabotage(
    breaks=_CLAIM,
    also=_ALSO,
    shows=(
        "does not run on a push",
        "no job that scans dependencies",
    ),
)
def scan_only_nightly(platform: Platform) -> None:
    """Dependencies are scanned once a night instead of on every push and pull request."""
    job = _scan_job()
    edit_file(platform, CI, job, "")
    head = 'name: nightly\n\non:\n  schedule:\n    - cron: "17 2 * * *"\n\npermissions:\n  contents: read\n\njobs:\n'
    put_file(platform, ".github/workflows/nightly.yml", head + job.rstrip("\n") + "\n")
    without_check(platform, "dependency scan")


@sabotage(
    breaks=_CLAIM,
    also=_ALSO,
    shows=(
        "jinja2 3.1.3",
        "GHSA-h75v-3vvj-5mfj",
    ),
)
def vulnerable_pin(platform: Platform) -> None:
    """The lock file pins Jinja2 3.1.3, which several published advisories are about."""
    edit_file(platform, "requirements.lock", _PIN, _OLD_PIN)


@sabotage(
    breaks=_CLAIM,
    also=_ALSO,
    shows=(
        "requirements-ci.lock",
        "no scan of the pipeline covers it",
    ),
)
def lock_file_not_scanned(platform: Platform) -> None:
    """The dependency scan leaves out the lock file of the pipeline's own tools."""
    edit_file(
        platform, CI, "      - run: pip-audit --strict --disable-pip --require-hashes -r requirements-ci.lock\n", ""
    )


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("no job that scans dependencies",))
def build_without_scan(platform: Platform) -> None:
    """For some hours of the last weeks the pipeline had no dependency scan, and builds went through without."""
    with_scan, without = _scan_job() + _NEXT, _NEXT
    add_change(
        platform,
        Change(
            "Make the pipeline quicker",
            "quicker",
            "priya",
            (Push("Leave the scan out", edits=(Edit(CI, with_scan, without),)), Review("amahle")),
            11.2,
            "priya",
        ),
        Change(
            "Scan dependencies again",
            "scan-again",
            "amahle",
            (Push("Put the scan back", edits=(Edit(CI, without, with_scan),)), Review("priya")),
            10.6,
            "amahle",
        ),
    )
