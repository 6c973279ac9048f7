"""The same rules over a run: for reports of runs that nobody held against them before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upheld.model import ClaimResult, Run, Verdict
from upheld.strength.lint import Decider, Weakness, weaknesses


def of_run(run: Run) -> Iterator[tuple[str, Weakness]]:
    """Where the words of a run's claims promise more than its checks showed, by the parameters that they were run with.

    Policies are held against the same rules before a run; these are runs of before the rules, or of others.
    """
    by_id = {claim.id: claim for claim in run.claims}
    own = {claim.id: _of_results(claim) for claim in run.claims}
    for claim in run.claims:
        waiting, parts = list(claim.decided_by), dict[str, tuple[str, Sequence[Decider]]]()
        while waiting:
            name = waiting.pop(0)
            if name in by_id and name not in parts and name != claim.id:
                parts[name] = by_id[name].statement, own[name]
                waiting.extend(by_id[name].decided_by)
        for weakness in weaknesses(claim.statement, own[claim.id], parts):
            yield claim.id, weakness


def _of_results(claim: ClaimResult) -> list[Decider]:
    return [
        Decider(one.id, one.parameters, one.basis, {}, one.calibrated, claim.id)
        for one in claim.checks
        if one.verdict is not Verdict.NOT_APPLICABLE
    ]
