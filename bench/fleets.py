"""A fleet of simulated targets: two real recorded runs of the reference, one whole and one with many defects, varied by rules.

A target has the whole run's result of each claim but where a rule says otherwise, by numbers that only depend on its place: then it has that
of the run with defects. Host names are made its own. Observations are left out, which no report of a fleet reads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

from upheld.calibrating import audit
from upheld.fleet.state import FleetRun, MemberRun
from upheld.model import CheckResult, ClaimResult, Run, Status, Verdict
from upheld.reporting import run_json
from upheld.reporting.files import write_atomically

DEFECTS = (
    "vault_key_128_bits", "deploy_outside_main", "wal_segment_missing", "status_component_missing", "member_passwords_unsalted_sha256",
    "extra_port_without_tls", "expired_client_certificate_accepted", "role_taken_from_request", "second_factor_optional",
    "nested_identifier_unchecked", "audit_rows_deletable", "direct_push", "scan_only_nightly", "refusals_served_as_html",
    "rate_limit_without_retry_after", "revoked_tokens_accepted", "retention_keeps_exports", "contacted_host_not_in_register",
    "notice_without_data_affected", "security_txt_http_contact",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
STAMP = "2026-11-20T06:00:00.000Z"
_HOST = re.compile(r"\brivet\.example\b")


def record(folder: Path, *defects: str) -> Run:
    """One audit of the reference with these defects, found again in `folder` where it was made before."""
    file = folder / f"{'defects' if defects else 'whole'}.json"
    if not file.exists():
        chosen = [part for one in defects for part in ("--sabotage", one)]
        audited = audit(ROOT / "policies.yaml", "reference", "-n", "2", *chosen)
        write_atomically(file, json.dumps(audited.run).encode())
    return run_json.read(file)


def chance(*parts: object) -> float:
    """A number from 0 up to 1 that is the same for the same parts."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8], "big") / 2**64


def fleet(whole: Run, broken: Run, count: int, folder: Path) -> tuple[FleetRun, dict[str, frozenset[str]]]:
    """A fleet's run of so many targets, their run.json written to `folder`, and the hosts of each."""
    good = {claim.id: claim for claim in whole.claims}
    bad = {claim.id: claim for claim in broken.claims if claim.id in good}
    members, hosts = [], {}
    for number in range(count):
        name = f"{('eu', 'us', 'ap')[number % 3]}-{number // 3 + 1:03}"
        hosts[name] = frozenset(
            f"{one}.{name}.example" for one in ("api", "app", "status", "www", "vault.internal", "hooks")
        )
        if chance("lost", number) < 0.02:
            reason = "its worker died three times" if number % 2 else "no budget of requests is left for its host"
            members.append(MemberRun(name, "policies.yaml", "not observed", reason, "", None, "", 0.0, resumed=False))
            continue
        run = _run(whole, [_claim(good[one], bad.get(one), number, count, name) for one in good], name, number)
        place = folder / "targets" / name
        place.mkdir(parents=True)
        run_json.write(run, place / "run.json")
        members.append(MemberRun(name, "policies.yaml", "ran", "", run.id, 1, f"targets/{name}", 40.0, resumed=False))
    made = FleetRun(
        "upheld-fleet-run/1",
        "bench",
        "production",
        "0" * 64,
        STAMP,
        STAMP,
        2_500.0,
        complete=True,
        members=tuple(members),
    )
    return made, hosts


def _run(whole: Run, claims: list[ClaimResult], name: str, number: int) -> Run:
    target = dataclasses.replace(whole.target, name=name)
    planned = sum(len(one.checks) for one in claims)
    return dataclasses.replace(
        whole, id=f"run-{number}", started=STAMP, target=target, claims=tuple(claims), planned=planned
    )


def _claim(good: ClaimResult, bad: ClaimResult | None, number: int, count: int, name: str) -> ClaimResult:
    """How a claim stands on a target: a few defects are everywhere, many are rare, one target is alone with most, some see nothing."""
    often = chance("often", good.id) ** 14 * 0.5
    alone = number == count // 2 and chance("alone", good.id) < 0.3
    broken = bad is not None and bad.status is Status.REFUTED and (alone or chance("claim", good.id, number) < often)
    claim = bad if broken and bad is not None else good
    blind = not broken and chance("blind", number) < 0.03 and chance("dark", good.id) < 0.4
    return dataclasses.replace(
        claim,
        checks=tuple(_check(one, name, blind=blind) for one in claim.checks),
        status=Status.INCONCLUSIVE if blind and claim.checks else claim.status,
    )


def _check(check: CheckResult, name: str, *, blind: bool) -> CheckResult:
    def own(text: str) -> str:
        return _HOST.sub(f"{name}.example", text)

    findings = tuple(
        dataclasses.replace(one, subject=own(one.subject), observed=own(one.observed), observations=()) for one in check.findings
    )  # fmt: skip
    if not blind:
        return dataclasses.replace(check, findings=findings, observations=())
    reason = "the target's database refused the connection"
    return dataclasses.replace(check, findings=(), observations=(), verdict=Verdict.INCONCLUSIVE, reason=reason)
