"""Calibration: audits an embedded target untouched and with each of its sabotages, and tells which check caught which.

A package that offers a target under `upheld.targets` offers the defects that it can be started with under the entry point
group `upheld.sabotages`, by the same name: a callable that gives them by name, each with `breaks` (the claims that it
refutes), `also` (claims that turn because those decide them), `blinds` (claims that nobody can decide while it lasts),
`shows` (words by which findings name it), `module` (where it is defined) and `sentence` (what is wrong).

Most sabotages break different claims, so that one audit can show many: each answers for its own claims, by findings that name
it. Whatever does not come out as it should is audited again in smaller groups, and last by itself, by the claims in question.
"""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
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
    def shows(self) -> Sequence[str]:
        """Words that findings hold when they name it and no other; empty where nobody says."""

    @property
    def module(self) -> str:
        """Where it is defined: two of one place may get in each other's way."""

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

    def findings(self, claims: Collection[str] | None = None, of: str = "") -> list[str]:
        """What the failing findings say (for these claims, of the check `of`): `subject: observed`."""
        return [
            f"{finding['subject']}: {finding['observed']}"
            for claim in self.run["claims"]
            if claims is None or claim["id"] in claims
            for check in claim["checks"]
            if of in {"", check["id"]}
            for finding in check["findings"]
            if finding["verdict"] == "fail"
        ]


@dataclass(frozen=True)
class Outcome:
    """What an audit with one sabotage came to, beside what it should have come to."""

    name: str
    caught: tuple[str, ...]
    """The checks that found it for a claim that it breaks."""
    unsure: tuple[str, ...]
    """Checks that found something for such a claim, in words that may be of another sabotage of the audit."""
    broken: tuple[str, ...]
    """The claims that it breaks, as far as checks decide them."""
    missed: tuple[str, ...]
    """Claims that it breaks, and that a check decides, but that were not refuted."""
    wrong: tuple[str, ...]
    """Claims that turned though no sabotage of the audit names them."""
    unnamed: tuple[str, ...]
    """Words that name it, and that no finding for the claims that it breaks holds."""
    audited: Audited

    @property
    def right(self) -> bool:
        """Whether every claim that it breaks was refuted, as far as checks decide it, for this very defect, and no other turned."""
        return not self.missed and not self.wrong and not self.unnamed

    def found(self) -> list[str]:
        """What the checks that caught it say: `subject: observed`."""
        return self.audited.findings(self.broken)


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
        command = [*_COMMAND, "run", "--policy", str(policy), "--target", target, "--out", out, "--ledger", "none"]
        done = subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            timeout=_AUDIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        path = Path(out) / "run.json"
        if not path.exists():
            raise InternalFault(f"exit code {done.returncode}, no run.json:\n{done.stdout}{done.stderr}")
        return Audited(json.loads(path.read_text(encoding="utf-8")), done.returncode, done.stdout + done.stderr)


def judge(name: str, defect: Defect, audited: Audited, untouched: Audited, beside: Collection[Defect] = ()) -> Outcome:
    """Compares the audit with a sabotage to the untouched one; claims that no check decides yet count for nothing.

    `beside` are the other sabotages of the same audit: what they break may turn too, and a check has caught this one only where
    its own findings name it.
    """
    decided = untouched.claims("upheld", "attested")
    broken = set(defect.breaks) & decided
    whole = broken.union(*(one.breaks for one in beside)) & decided
    turned = whole | roll_ups(audited, whole)
    refuted, blind = audited.claims("refuted"), audited.claims("inconclusive", "lapsed")
    blinds = set(defect.blinds).union(*(one.blinds for one in beside))
    rightly_blind = blinds | roll_ups(audited, blinds)
    said = "\n".join(audited.findings(broken))
    failing = caught = {check for check, claim in audited.failing() if claim in broken}
    if beside:
        words = {check: "\n".join(audited.findings(broken, of=check)) for check in failing}
        caught = {check for check in failing if any(word in words[check] for word in defect.shows)}
    return Outcome(
        name,
        tuple(sorted(caught)),
        tuple(sorted(failing - caught)),
        tuple(sorted(broken)),
        tuple(sorted(broken - refuted)),
        tuple(sorted((refuted - turned) | ((blind & decided) - rightly_blind - turned))),
        tuple(word for word in defect.shows if broken and word not in said),
        audited,
    )


def batches(chosen: Mapping[str, Defect]) -> list[dict[str, Defect]]:
    """The sabotages in as few audits as tell them apart: in one audit no two break or blind the same claim or stand in one module.

    The audits have about as many each.
    """
    touched = {name: {*defect.breaks, *defect.blinds} for name, defect in chosen.items()}
    often = Counter(claim for claims in touched.values() for claim in claims)
    made: list[dict[str, Defect]] = [{} for _ in range(max(often.values(), default=0))]
    taken: list[set[str]] = [set() for _ in made]
    # Those whose claims are broken by most find the fewest places.
    for name in sorted(chosen, key=lambda one: (-max(often[claim] for claim in touched[one]), one)):
        wanted = touched[name] | {chosen[name].module}
        free = [number for number, one in enumerate(taken) if not one & wanted]
        if not free:
            made.append({})
            taken.append(set())
            free = [len(made) - 1]
        number = min(free, key=lambda one: len(made[one]))
        made[number][name] = chosen[name]
        taken[number] |= wanted
    return [one for one in made if one]


def roll_ups(audited: Audited, broken: set[str]) -> set[str]:
    """The claims of a run that turn because others that decide them do."""
    parts = {claim["id"]: set(claim["decided_by"]) for claim in audited.run["claims"]}
    turned: set[str] = set()
    while more := {one for one, by in parts.items() if by & (broken | turned)} - turned - broken:
        turned |= more
    return turned


def calibrate(
    policy: Path,
    target: str,
    chosen: Mapping[str, Defect],
    claims: Sequence[str] = (),
    side_by_side: int = 2,
    *,
    alone: bool = False,
    told: Callable[[str], None] = lambda _line: None,
) -> Iterator[Outcome]:
    """Audits with the chosen sabotages, several in one audit and several audits at a time, and gives each outcome as it is there.

    Where an audit is not as it should be, those sabotages are audited again in halves, down to single ones, so that none is
    blamed for another, and only by the claims that they break and those that turned: all others are known to have held. One by
    itself is audited again, too, by its claims, what a check found in words of which it is not sure whose they are.
    `alone` begins with single ones. Without `claims` the first audits are of the whole policy; with them the untouched one is of
    these, and each other one of those that its sabotages break: quicker, but blind for other claims that turn. `told` hears
    of each audit. Raises InternalFault when the untouched target is not upheld, for then nothing shows what a sabotage does.
    """

    def only(wanted: Collection[str]) -> tuple[str, ...]:
        return ("--claims", ",".join(sorted(wanted))) if wanted else ()

    untouched = audit(policy, target, "-n", "2", *only(claims))
    if wrong := untouched.claims("refuted", "inconclusive", "lapsed"):
        raise InternalFault(f"the untouched target does not hold {', '.join(sorted(wrong))}:\n{untouched.words}")
    decided = untouched.claims("upheld", "attested")

    def broken(batch: Mapping[str, Defect]) -> set[str]:
        return decided & {claim for defect in batch.values() for claim in defect.breaks}

    def outcomes(batch: Mapping[str, Defect], looked_at: Collection[str]) -> list[Outcome]:
        named = [part for name in batch for part in ("--sabotage", name)]
        audited = audit(policy, target, "-n", "2" if len(batch) > 1 else "0", *named, *only(looked_at))
        found = [
            judge(name, defect, audited, untouched, [other for one, other in batch.items() if one != name])
            for name, defect in batch.items()
        ]
        told(_line(found, looked_at))
        if len(batch) == 1 or all(one.right and not one.unsure for one in found):
            return found
        kept = []
        for one in found:
            if one.right and not one.unsure:
                kept.append(one)
            elif one.right:
                kept += outcomes({one.name: batch[one.name]}, broken({one.name: batch[one.name]}))
        again = [one.name for one in found if not one.right]
        turned = {claim for one in found for claim in one.wrong}
        # A claim that others decide turned because they did.
        turned -= roll_ups(audited, turned)
        halves = (again[: len(again) // 2], again[len(again) // 2 :])
        for half in ({name: batch[name] for name in names} for names in halves if names):
            kept += outcomes(half, broken(half) | turned)
        return kept

    groups = [{name: chosen[name]} for name in sorted(chosen)] if alone else batches(chosen)
    with ThreadPoolExecutor(side_by_side) as pool:
        for done in as_completed([pool.submit(outcomes, group, broken(group) if claims else ()) for group in groups]):
            yield from done.result()


def _line(found: Sequence[Outcome], looked_at: Collection[str]) -> str:
    """What became of one audit, as whoever waits for the rest would like to hear it."""
    right = sum(one.right for one in found)
    by = f"{len(looked_at)} claims" if looked_at else "every claim"
    line = f"{right} of {len(found)} sabotages as they should be, by {by}, in {found[0].audited.run['seconds']:.0f} s"
    statuses = {claim["id"]: f"{claim['status']} {claim['reason']}".strip() for claim in found[0].audited.run["claims"]}
    turned = [f"{claim} ({statuses[claim]})" for claim in sorted({claim for one in found for claim in one.wrong})]
    rest = [one.name for one in found if one.missed or one.unnamed]
    line += f"; turned too: {', '.join(turned)}" if turned else ""
    return line + (f"; not found: {', '.join(rest)}" if rest else "")


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
