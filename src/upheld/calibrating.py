"""Calibration: audits an embedded target untouched and with each of its sabotages, and tells which check caught which.

A package that offers a target under `upheld.targets` offers the defects that it can be started with under the entry point
group `upheld.sabotages`, by the same name: a callable that gives them by name, each with `breaks` (the claims that it
refutes), `also` (claims that turn because those decide them), `blinds` (claims that nobody can decide while it lasts) and
`sentence` (what is wrong).
"""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from upheld.calibration import FORMAT
from upheld.catalogue import Catalogue
from upheld.errors import InputError, InternalFault, Mistake

GROUP = "upheld.sabotages"
_COMMAND = (sys.executable, "-c", "from upheld.cli.main import main; main()")
_AUDIT_SECONDS = 900.0


class Defect(Protocol):
    """A sabotage, as far as a calibration has to know it."""

    @property
    def breaks(self) -> tuple[str, ...]:
        """The claims that it refutes."""

    @property
    def also(self) -> tuple[str, ...]:
        """Claims that turn because those that it refutes decide them."""

    @property
    def blinds(self) -> tuple[str, ...]:
        """Claims that nobody can decide while it lasts."""

    @property
    def sentence(self) -> str:
        """What is wrong."""


@dataclass(frozen=True)
class Audited:
    """One `upheld run`: run.json, the exit code, and what it printed."""

    run: Mapping[str, Any]
    code: int
    words: str

    def claims(self, *wanted: str) -> set[str]:
        """The claims that have one of these statuses."""
        return {claim["id"] for claim in self.run["claims"] if claim["status"] in wanted}

    def failing(self) -> Iterator[tuple[str, str]]:
        """Every check that found a defect, with the claim that it did so for."""
        for claim in self.run["claims"]:
            for check in claim["checks"]:
                if check["verdict"] == "fail":
                    yield check["id"], claim["id"]

    def findings(self) -> list[str]:
        """What the failing findings say: `subject: observed`."""
        return [
            f"{finding['subject']}: {finding['observed']}"
            for claim in self.run["claims"]
            for check in claim["checks"]
            for finding in check["findings"]
            if finding["verdict"] == "fail"
        ]


@dataclass(frozen=True)
class Outcome:
    """What an audit with one sabotage came to, beside what it should have come to."""

    name: str
    caught: tuple[str, ...]
    """The checks that found it for a claim that it breaks."""
    missed: tuple[str, ...]
    """Claims that it breaks, and that a check decides, but that were not refuted."""
    wrong: tuple[str, ...]
    """Claims that turned though the sabotage does not name them."""
    audited: Audited

    @property
    def right(self) -> bool:
        """Whether every claim that it breaks was refuted, as far as checks decide it, and no other turned."""
        return not self.missed and not self.wrong


def sabotages(target: str) -> Mapping[str, Defect]:
    """The sabotages of the embedded target called `target`; raises InputError when nothing offers any."""
    entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    if target not in entries:
        expected = f"one of: {', '.join(sorted(entries)) or 'none is installed'}"
        raise InputError([Mistake("--target", 0, 0, "a target without sabotages", repr(target), expected)])
    offered: Mapping[str, Defect] = entries[target].load()()
    return offered


def select(offered: Mapping[str, Defect], names: Sequence[str], deciding: Mapping[str, set[str]]) -> dict[str, Defect]:
    """Those sabotages that `names` mean: by their own name, by a claim that they break, or by a check of such a claim.

    `deciding` says by which checks each claim is decided. No name means all; raises InputError for an unknown one.
    """
    chosen: dict[str, Defect] = {} if names else dict(offered)
    for name in names:
        claims = {claim for claim, checks in deciding.items() if name == claim or name in checks}
        meant = {one: defect for one, defect in offered.items() if one == name or claims & set(defect.breaks)}
        if not meant:
            known = [*offered, *deciding, *(check for checks in deciding.values() for check in checks)]
            close = difflib.get_close_matches(name, known, n=1)
            expected = "a check, a claim that a sabotage breaks, or a sabotage"
            raise InputError([Mistake("calibrate", 0, 0, "nothing to calibrate", repr(name), expected, "".join(close))])
        chosen |= meant
    return chosen


def audit(policy: Path, target: str, *arguments: str) -> Audited:
    """One `upheld run` in a process of its own, with further `arguments`; raises InternalFault when it leaves no run.json."""
    with tempfile.TemporaryDirectory(prefix="upheld-audit-") as out:
        command = [*_COMMAND, "run", "--policy", str(policy), "--target", target, "--out", out, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_AUDIT_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
        path = Path(out) / "run.json"
        if not path.exists():
            raise InternalFault(f"exit code {done.returncode}, no run.json:\n{done.stdout}{done.stderr}")
        return Audited(json.loads(path.read_text(encoding="utf-8")), done.returncode, done.stdout + done.stderr)


def judge(name: str, defect: Defect, audited: Audited, untouched: Audited) -> Outcome:
    """Compares the audit with one sabotage to the untouched one; claims that no check decides yet count for nothing."""
    decided = untouched.claims("upheld", "attested")
    broken = set(defect.breaks) & decided
    turned = broken | roll_ups(audited, broken)
    refuted, blind = audited.claims("refuted"), audited.claims("inconclusive", "lapsed")
    rightly_blind = set(defect.blinds) | roll_ups(audited, set(defect.blinds))
    return Outcome(
        name,
        tuple(sorted({check for check, claim in audited.failing() if claim in broken})),
        tuple(sorted(broken - refuted)),
        tuple(sorted((refuted - turned) | ((blind & decided) - rightly_blind - turned))),
        audited,
    )


def roll_ups(audited: Audited, broken: set[str]) -> set[str]:
    """The claims of a run that turn because others that decide them do."""
    parts = {claim["id"]: set(claim["decided_by"]) for claim in audited.run["claims"]}
    turned: set[str] = set()
    while more := {one for one, by in parts.items() if by & (broken | turned)} - turned - broken:
        turned |= more
    return turned


def calibrate(
    policy: Path, target: str, chosen: Mapping[str, Defect], claims: Sequence[str] = (), side_by_side: int = 2
) -> Iterator[Outcome]:
    """Audits with each chosen sabotage, several at a time, and gives the outcomes in the order of their names.

    Without `claims` every audit is of the whole policy; with them the untouched one is of these, and each other one of those
    that its sabotage breaks: quicker, but blind for other claims that turn. Raises InternalFault when the untouched target is
    not upheld, for then nothing shows what a sabotage does.
    """

    def only(wanted: Sequence[str]) -> tuple[str, ...]:
        return ("--claims", ",".join(wanted)) if claims else ()

    untouched = audit(policy, target, "-n", "2", *only(claims))
    if wrong := untouched.claims("refuted", "inconclusive", "lapsed"):
        raise InternalFault(f"the untouched target does not hold {', '.join(sorted(wrong))}:\n{untouched.words}")

    def one(name: str) -> Outcome:
        broken = [claim for claim in claims if claim in chosen[name].breaks]
        return judge(name, chosen[name], audit(policy, target, "-n", "0", "--sabotage", name, *only(broken)), untouched)

    with ThreadPoolExecutor(side_by_side) as pool:
        yield from pool.map(one, sorted(chosen))


def table(
    outcomes: Sequence[Outcome], offered: Mapping[str, Defect], catalogue: Catalogue, before: Mapping[str, Any]
) -> dict[str, Any]:
    """The detection matrix as calibration.json carries it, with the digests of the code that stands.

    What `before` says of sabotages that were not audited now stays, for checks whose code is still the same.
    """
    audited = {outcome.name for outcome in outcomes}
    checks = {}
    for one in catalogue:
        entry = before.get("checks", {}).get(one.id, {})
        kept = entry.get("caught", ()) if entry.get("code_digest") == one.code_digest else ()
        caught = {name for name in kept if name in offered and name not in audited}
        caught |= {outcome.name for outcome in outcomes if one.id in outcome.caught}
        checks[one.id] = {"code_digest": one.code_digest, "caught": sorted(caught)}
    return {
        "format": FORMAT,
        "sabotages": {
            name: {"breaks": list(defect.breaks), "sentence": defect.sentence}
            for name, defect in sorted(offered.items())
        },
        "checks": checks,
    }
