"""Proves checks by mutants: `python tests/mutating.py [--records FOLDER] [CHECK …]`, or `nox -s mutants`.

Each check is judged over the record of the untouched reference and over records of sabotages that it is known to catch.
Inverting its whole judgement must change a verdict of the untouched reference, dropping it one of a sabotage: otherwise the
exit code is 1.

Then every single place of it that compares, combines, negates or concludes is changed by itself, and judged over the same
records and over those of the tests of the checks, which are run for it once (`harvesting`). A place whose change no verdict of the
check or of a finding notices is listed: there a further test or sabotage would prove more. Listed apart are places that
only choose the words of a finding, and those that cannot come to anything else (`equivalent_mutants`).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import harvesting
from calibration import POLICY, ROOT
from equivalent_mutants import EQUIVALENT
from mutants import Change, Place, always, change, comparisons, mutant, negate, notices, verdict, without_judgement
from recordings import checks, record, results
from upheld.calibration import table
from upheld.catalogue import Check
from upheld.errors import InternalFault
from upheld.model import CheckResult, Run, Verdict
from upheld.planning import plan
from upheld.policies import load as load_policy
from upheld.replaying import replay
from upheld_reference.sabotages import Sabotage, catalogue

TOGETHER = 8
"""Sabotages of one audit: of claims apart from each other, and few, so that one does not hide what another does."""
SIDE_BY_SIDE = 2
RECORDS = 6
"""Records of failing runs over which a mutant is judged at the most."""
TESTS = ROOT / "tests" / "checks"
_SHOWN = 100


@dataclass(frozen=True, order=True)
class Mutant:
    """One changed place, as it is told; `number` is the node's in its file."""

    file: str
    line: int
    number: int
    change: str
    text: str

    def __str__(self) -> str:
        """`checks/tls.py:65: all for any: any(…)`."""
        text = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return f"{self.file}:{self.line}: {self.change}: {' '.join(text.split())}"


@dataclass(frozen=True)
class Proof:
    """What the mutants of one check came to."""

    check: str
    faults: tuple[str, ...]
    """Why it is not proven; empty when it is."""
    changes: Mapping[Mutant, Change] = field(default_factory=dict)
    """What comes of each place by itself."""


# --- records -------------------------------------------------------------------------------------------------------


class Records:
    """Audits of the reference, made once and kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: list[Run] = []

    def make(self, audits: Iterable[tuple[Sequence[str], Iterable[str]]]) -> None:
        """Make these audits, each of some sabotages and claims, several side by side; one that cannot be made is told and left out."""

        def one(wanted: tuple[Sequence[str], Iterable[str]]) -> Run | None:
            sabotages, claims = wanted
            try:
                return record(self.folder, tuple(sabotages), tuple(sorted(claims)))
            except InternalFault as fault:
                print(f"no record with {', '.join(sabotages)}: {str(fault)[-400:]}", file=sys.stderr)
                return None

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            self.runs += [run for run in pool.map(one, audits) if run is not None]

    def refuted(self) -> set[str]:
        """The checks that found a defect in any of them."""
        return {name for name, one in results(self.runs).items() if any(each.verdict is Verdict.FAIL for each in one)}


def gather(folder: Path, wanted: Sequence[str]) -> tuple[dict[str, list[CheckResult]], dict[str, list[CheckResult]]]:
    """Records of the wanted checks: of the untouched reference, and of sabotaged ones in which each found a defect, if it can."""
    deciding = _deciding(wanted)
    untouched = Records(folder)
    untouched.make([((), {claim for claims in deciding.values() for claim in claims})])
    sabotaged = Records(folder)
    sabotaged.make(_groups(deciding))
    # What was hidden by another sabotage of its group, or is not calibrated yet, gets audits of its own.
    tried: dict[str, int] = dict.fromkeys(wanted, 0)
    while missing := {
        name: candidates
        for name in sorted(set(wanted) - sabotaged.refuted())
        if tried[name] < len(candidates := _candidates(name, deciding[name]))
    }:
        audits: dict[str, set[str]] = {}
        for name, candidates in missing.items():
            audits.setdefault(candidates[tried[name]], set()).update(deciding[name])
            tried[name] += 1
        sabotaged.make([((sabotage,), claims) for sabotage, claims in audits.items()])
    return results(untouched.runs), results(sabotaged.runs)


def harvest(folder: Path, wanted: Sequence[str]) -> dict[str, list[CheckResult]]:
    """Records of the wanted checks in the tests of checks, which are run where `folder` has none."""
    if not list(folder.glob("*.jsonl")):
        left_out = [f"--ignore={TESTS / name}" for name in ("test_mutants.py", "test_house_rules.py")]
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(SIDE_BY_SIDE), str(TESTS), *left_out]
        command += ["-p", "no:cacheprovider", "-p", "harvesting", "--harvest", str(folder)]
        paths = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(
                f"the tests of the checks did not all pass:\n{done.stdout[-2000:]}{done.stderr[-500:]}", file=sys.stderr
            )
    return harvesting.read(folder, checks(), wanted)


def _deciding(wanted: Sequence[str]) -> dict[str, set[str]]:
    """By which claims each check is used, as the policy has it."""
    policy = load_policy(POLICY, checks(), today=datetime.now(UTC).date())
    found: dict[str, set[str]] = {}
    for planned in plan(policy, checks()):
        if not planned.not_applicable and (not wanted or planned.check in wanted):
            found.setdefault(planned.check, set()).add(planned.claim)
    if unknown := set(wanted) - set(found):
        raise SystemExit(f"no claim uses {', '.join(sorted(unknown))}")
    return found


def _candidates(check: str, claims: set[str]) -> list[str]:
    """The sabotages that may turn the check: first those that it is known to catch, then all that break its claims."""
    offered = catalogue()
    known = table(ROOT / "calibration.json").checks.get(check)
    caught = [name for name in (known.caught if known else ()) if name in offered]
    return list(dict.fromkeys([*caught, *(name for name, one in offered.items() if claims & set(one.breaks))]))


def _groups(deciding: dict[str, set[str]]) -> list[tuple[list[str], set[str]]]:
    """Few audits in which, as far as the calibration tells, every check finds a defect: sabotages and the claims to audit."""
    offered = catalogue()
    known = table(ROOT / "calibration.json").checks
    open_checks = {name: set(known[name].caught) & set(offered) for name in deciding if name in known}
    groups: list[tuple[list[str], set[str], set[str]]] = []
    while open_checks := {name: caught for name, caught in open_checks.items() if caught}:
        best = min(
            {name for caught in open_checks.values() for name in caught},
            key=lambda name: (-sum(name in caught for caught in open_checks.values()), name),
        )
        turning = {claim for name, caught in open_checks.items() if best in caught for claim in deciding[name]}
        open_checks = {name: caught for name, caught in open_checks.items() if best not in caught}
        touched = _touched(offered[best])
        for sabotages, claims, others in groups:
            if len(sabotages) < TOGETHER and not others & touched:
                sabotages.append(best)
                claims.update(turning & touched)
                others.update(touched)
                break
        else:
            groups.append(([best], turning & touched, touched))
    return [(sorted(sabotages), claims) for sabotages, claims, _ in groups]


def _touched(one: Sabotage) -> set[str]:
    return {*one.breaks, *one.also, *one.blinds}


# --- proofs --------------------------------------------------------------------------------------------------------


def prove(
    check: str, untouched: Sequence[CheckResult], sabotaged: Sequence[CheckResult], tested: Sequence[CheckResult] = ()
) -> Proof:
    """What the mutants of one check come to over its records: of the reference, and of tests."""
    one = checks()[check]
    held = [result for result in untouched if result.verdict is Verdict.PASS]
    failed = [result for result in sabotaged if result.verdict is Verdict.FAIL][:RECORDS]
    faults = []
    if not held:
        faults.append("no record in which it passes")
    if not failed:
        faults.append("no record in which it finds a defect")
    if any(verdict(one, result) is not result.verdict for result in (*held, *failed)):
        return Proof(check, (*faults, "its replay is not what was recorded"))
    if held and not notices(without_judgement(one, negate), held):
        faults.append("its judgement can be inverted unnoticed")
    if failed and not notices(without_judgement(one, always), failed):
        faults.append("its judgement can be dropped unnoticed")
    places = comparisons(one)
    records = [_as_replayed(one, result) for result in (*held, *failed, *tested)]
    changes = {_told(place): change(mutant(one, [place]), records) for place in places}
    return Proof(check, tuple(faults), changes)


def _told(place: Place) -> Mutant:
    return Mutant(str(place.file.relative_to(ROOT)), place.line, place.index, place.change, place.text)


def _as_replayed(one: Check, result: CheckResult) -> CheckResult:
    """The record with what the check itself comes to over it, so that a mutant differs by what was changed alone."""
    again = replay(result, one)
    return dataclasses.replace(again, observations=result.observations)


def prove_all(folder: Path, wanted: Sequence[str] = (), *, with_tests: bool = False) -> list[Proof]:
    """The proofs of these checks (of all, when none is named) that a claim uses, in processes side by side.

    `with_tests`: single places are judged over records of the tests of the checks too, which takes their time.
    """
    used = _deciding(wanted)
    untouched, sabotaged = gather(folder, sorted(used))
    tested = harvest(folder / "tests", sorted(used)) if with_tests else {}
    # Processes of their own, because a mutant that takes too long is stopped by a signal to the main thread.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        records = {name: [one.get(name, []) for one in (untouched, sabotaged, tested)] for name in used}
        made = [pool.submit(prove, name, *records[name]) for name in sorted(used)]
        return [one.result() for one in made]


def together(proofs: Iterable[Proof]) -> dict[Mutant, Change]:
    """What comes of each place at the most: what several checks share is proven where one of them notices."""
    found: dict[Mutant, Change] = {}
    for proof in proofs:
        for place, one in proof.changes.items():
            found[place] = min(found.get(place, one), one, key=list(Change).index)
    return found


def report(proofs: Sequence[Proof]) -> str:
    """What a run of mutants came to, as text."""
    places = together(proofs)
    lines = []
    for proof in proofs:
        mark = "NOT PROVEN" if proof.faults else "proven"
        noticed = sum(places[one] is Change.JUDGEMENT for one in proof.changes)
        lines.append(f"{mark:10}  {proof.check}  {noticed} of {len(proof.changes)} places judge otherwise when changed")
        lines += [f"            {fault}" for fault in proof.faults]
    counts = {kind: [place for place, one in sorted(places.items()) if one is kind] for kind in Change}
    excused = [place for place in counts[Change.NOTHING] if equivalent(place)]
    survivors = [place for place in counts[Change.NOTHING] if place not in excused]
    lines += [f"only says it otherwise: {place}" for place in counts[Change.WORDS]]
    lines += [f"comes to the same: {place} ({equivalent(place)})" for place in excused]
    lines += [f"SURVIVES: {place}" for place in survivors]
    lines.append(
        f"{len(proofs)} checks, {sum(bool(one.faults) for one in proofs)} not proven; {len(places)} places: "
        f"{len(counts[Change.JUDGEMENT])} judge otherwise when changed, {len(counts[Change.WORDS])} only say it otherwise, "
        f"{len(excused)} cannot come to anything else, {len(survivors)} survive"
    )
    return "\n".join(lines)


def equivalent(place: Mutant) -> str:
    """Why the changed place cannot come to anything else; empty where nothing says so."""
    return EQUIVALENT.get((place.file, place.change, place.text), "")


def main() -> int:
    """Prove the checks that the command line names, and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--records", type=Path, help="folder in which records are kept, and found again")
    parser.add_argument("--without-tests", action="store_true", help="judge over records of the reference only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upheld-records-") as passing:
        proofs = prove_all(options.records or Path(passing), options.checks, with_tests=not options.without_tests)
    print(report(proofs))
    return int(any(proof.faults for proof in proofs))


if __name__ == "__main__":
    sys.exit(main())
