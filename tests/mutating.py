"""Proves checks by mutants: `python tests/mutating.py [--records FOLDER] [CHECK …]`, or `nox -s mutants`.

Each check is judged over the record of the untouched reference and over records of sabotages that it is known to catch.
Inverting its whole judgement must change a verdict of the untouched reference, dropping it one of a sabotage: otherwise the
exit code is 1. Single changed places that no verdict notices are listed; they are where a further sabotage would prove more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from calibration import POLICY, ROOT
from mutants import always, comparisons, mutant, negate, notices, verdict, without_judgement
from recordings import checks, record, results
from upheld.calibration import table
from upheld.errors import InternalFault
from upheld.model import CheckResult, Run, Verdict
from upheld.planning import plan
from upheld.policies import load as load_policy
from upheld_reference.sabotages import Sabotage, catalogue

TOGETHER = 8
"""Sabotages of one audit: of claims apart from each other, and few, so that one does not hide what another does."""
SIDE_BY_SIDE = 2
RECORDS = 6
"""Records of failing runs over which a mutant is judged at the most."""


@dataclass(frozen=True)
class Proof:
    """What the mutants of one check came to."""

    check: str
    faults: tuple[str, ...]
    """Why it is not proven; empty when it is."""
    mutants: int = 0
    survivors: tuple[str, ...] = ()
    """`file:line: change` of each mutant whose verdicts are those of the check itself."""


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


def prove(check: str, untouched: Sequence[CheckResult], sabotaged: Sequence[CheckResult]) -> Proof:
    """What the mutants of one check come to over its records."""
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
    survivors = [
        f"{place.file.relative_to(ROOT)}:{place.line}: {place.change}"
        for place in places
        if not notices(mutant(one, [place]), (*held, *failed))
    ]
    return Proof(check, tuple(faults), len(places), tuple(survivors))


def prove_all(folder: Path, wanted: Sequence[str] = ()) -> list[Proof]:
    """The proofs of these checks (of all, when none is named) that a claim uses, in processes side by side."""
    used = _deciding(wanted)
    untouched, sabotaged = gather(folder, sorted(used))
    # Processes of their own, because a mutant that takes too long is stopped by a signal to the main thread.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        made = [pool.submit(prove, name, untouched.get(name, []), sabotaged.get(name, [])) for name in sorted(used)]
        return [one.result() for one in made]


def report(proofs: Sequence[Proof]) -> str:
    """What a run of mutants came to, as text."""
    lines = []
    for proof in proofs:
        killed = proof.mutants - len(proof.survivors)
        mark = "NOT PROVEN" if proof.faults else "proven"
        lines.append(f"{mark:10}  {proof.check}  {killed} of {proof.mutants} mutants noticed")
        lines += [f"            {fault}" for fault in proof.faults]
        lines += [f"            survives: {survivor}" for survivor in proof.survivors]
    mutants, survivors = sum(one.mutants for one in proofs), sum(len(one.survivors) for one in proofs)
    unproven = sum(bool(one.faults) for one in proofs)
    lines.append(
        f"{len(proofs)} checks, {unproven} not proven; {mutants} mutants, {mutants - survivors} noticed, {survivors} survive"
    )
    return "\n".join(lines)


def main() -> int:
    """Prove the checks that the command line names, and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--records", type=Path, help="folder in which records are kept, and found again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upheld-records-") as passing:
        proofs = prove_all(options.records or Path(passing), options.checks)
    print(report(proofs))
    return int(any(proof.faults for proof in proofs))


if __name__ == "__main__":
    sys.exit(main())
