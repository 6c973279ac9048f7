"""Judging a recorded run again: the same checks over the same observations, down to the bytes of run.json, with no network."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from upheld.catalogue import Catalogue
from upheld.judging import redecide
from upheld.model import CheckResult, Run
from upheld.replaying import replay
from upheld.reporting import run_json


@dataclass(frozen=True, slots=True)
class Changed:
    """A check whose code is another one than that of the run; `here` is empty where it is not here at all."""

    check: str
    recorded: str
    here: str


@dataclass(frozen=True, slots=True)
class Differing:
    """A check or a claim that came to something else: what was recorded, what it comes to now, and why."""

    what: str
    recorded: str
    now: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run as it is judged again, and in which it differs from the recorded one."""

    run: Run
    checks: int
    observations: int
    changed: tuple[Changed, ...]
    differing: tuple[Differing, ...]
    same_bytes: bool


def judged_again(run: Run, catalogue: Catalogue) -> Replayed:
    """What the checks of `catalogue` come to over the observations of `run`; a check that it has not keeps its result."""
    differing: list[Differing] = []
    changed: dict[str, Changed] = {}
    results: dict[str, CheckResult] = {}
    for claim in run.claims:
        for result in claim.checks:
            here = catalogue[result.id].code_digest if result.id in catalogue else ""
            if here != result.code_digest:
                changed[result.id] = Changed(result.id, result.code_digest, here)
            results[result.key] = replay(result, catalogue[result.id]) if here else result
            differing += _differing(result, results[result.key])
    claims = redecide(run.claims, results)
    differing += [
        Differing(f"claim {claim.id}", claim.status.value, again.status.value, again.reason)
        for claim, again in zip(run.claims, claims, strict=True)
        if again.status is not claim.status
    ]
    whole = dataclasses.replace(run, claims=claims)
    looked = [result for claim in run.claims for result in claim.checks if result.observations]
    return Replayed(
        run=whole,
        checks=len(looked),
        observations=sum(len(result.observations) for result in looked),
        changed=tuple(changed.values()),
        differing=tuple(differing),
        same_bytes=run_json.dumps(whole) == run_json.dumps(run),
    )


def _differing(recorded: CheckResult, again: CheckResult) -> list[Differing]:
    what = f"{recorded.claim} {recorded.id}"
    if again.verdict is not recorded.verdict:
        return [Differing(what, recorded.verdict.value, again.verdict.value, again.reason)]
    # Another digest of the code alone is no other result; it is said by itself.
    if dataclasses.replace(again, code_digest=recorded.code_digest) != recorded:
        return [Differing(what, f"{recorded.verdict.value}, with other findings", again.verdict.value, again.reason)]
    return []
