"""Running one planned check over a session's probes, to a result that always says how it ended."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from upheld.errors import Unobservable
from upheld.judging import fingerprint, judge_check
from upheld.model import (
    CheckResult,
    Finding,
    FindingRecord,
    LeftOut,
    NotObserved,
    PlannedCheck,
    Population,
    Verdict,
    timestamp,
)
from upheld.target.model import Environment

if TYPE_CHECKING:
    from upheld.catalogue import Check
    from upheld.probes.base import Probe, Recorder, Session
    from upheld.target.model import Target


def execute(planned: PlannedCheck, one: Check, session: Session, obstacle: str | None = None) -> CheckResult:
    """Run the check to its end, or to where it broke; a fault of any kind ends as inconclusive with its reason.

    `obstacle` says why it may not run at all ("" that it may); None leaves that to the session's target.
    Only KeyboardInterrupt and SystemExit pass through: then the run as a whole is interrupted.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    findings: list[FindingRecord] = []
    left_out: list[tuple[str, str]] = []
    clean = session.redactor.text
    with session.recording(planned.key) as recorder:
        try:
            fault = hindrance(planned, one, session.target) if obstacle is None else obstacle
            if not fault:
                arguments, _ = one.arguments(planned.parameters)
                probes = [session.probe(kind) for kind in one.probes.values()]
                mark = 0
                for item in one.run(probes, arguments):
                    if isinstance(item, LeftOut):
                        left_out.append((clean(str(item.subject)), clean(item.reason)))
                    elif isinstance(item, Finding | NotObserved):
                        findings.append(_record(planned, item, recorder, mark, clean(str(item.subject))))
                        mark = len(recorder.observations)
                    else:
                        fault = f"the check yielded {type(item).__name__}, which is no finding"
                        break
        except Unobservable as unobservable:
            fault = clean(unobservable.reason)
        except (
            Exception
        ) as error:  # A check that broke has decided nothing; its verdict is inconclusive, with the error.
            fault = clean(f"the check broke: {type(error).__name__}: {error}")
    verdict, reason = judge_check(findings, len(recorder.observations), fault)
    return dataclasses.replace(
        _without_looking(planned, verdict, reason),
        findings=tuple(findings),
        observations=tuple(recorder.observations),
        population=_population(findings, left_out),
        started=timestamp(started),
        seconds=round(time.perf_counter() - clock, 6),
    )


def unfinished(planned: PlannedCheck, reason: str) -> CheckResult:
    """The result of a planned check that did not run to its end: inconclusive, with the reason."""
    return _without_looking(planned, Verdict.INCONCLUSIVE, reason)


def not_applicable(planned: PlannedCheck) -> CheckResult:
    """The result of a check that the policy declares not applicable, with the policy's reason."""
    return _without_looking(planned, Verdict.NOT_APPLICABLE, planned.not_applicable)


def _without_looking(planned: PlannedCheck, verdict: Verdict, reason: str) -> CheckResult:
    return CheckResult(
        key=planned.key,
        claim=planned.claim,
        id=planned.check,
        title=planned.title,
        basis=planned.basis,
        parameters=planned.parameters,
        code_digest=planned.code_digest,
        verdict=verdict,
        reason=reason,
        findings=(),
        observations=(),
        population=Population(0, 0),
        started="",
        seconds=0.0,
    )


def forbidden(planned: PlannedCheck, target: Target) -> str:
    """Why the target does not let this check run; empty where it does."""
    allowed = target.environment is not Environment.PRODUCTION or planned.check in target.allow_intrusive
    if planned.intrusive and not allowed:
        return "intrusive: it writes to the target or floods it, and this production target does not allow it by name"
    return ""


def lacking(kind: type[Probe], target: Target) -> tuple[str, ...]:
    """The parts of a description without which probes of this kind see nothing, and which this target does not have."""
    return tuple(need for need in kind.needs if not getattr(target, need))


def undescribed(part: str) -> str:
    """How the lack of a part of the description is said, wherever it is."""
    return f"the target describes no {part.replace('_', ' ')}"


def hindrance(planned: PlannedCheck, one: Check, target: Target) -> str:
    """Why this check does not run against the target at all; empty where it does."""
    if reason := forbidden(planned, target):
        return reason
    missing = [part for kind in one.probes.values() for part in lacking(kind, target)]
    return undescribed(missing[0]) if missing else ""


def _record(
    planned: PlannedCheck, item: Finding | NotObserved, recorder: Recorder, mark: int, subject: str
) -> FindingRecord:
    clean = recorder.clean
    if item.seen:
        ids = tuple(dict.fromkeys(source for value in item.seen if (source := recorder.source(value))))
    elif not (ids := recorder.behind(item)):
        # What was looked at since the last finding; where nothing was, the finding rests on all that came before.
        since = recorder.observations[mark:] or recorder.observations
        ids = tuple(observation.id for observation in since)
    if isinstance(item, NotObserved):
        verdict, observed, reason = Verdict.INCONCLUSIVE, "", clean(item.reason)
    else:
        verdict, observed, reason = (Verdict.PASS if item.passed else Verdict.FAIL), clean(item.observed), ""
    return FindingRecord(
        fingerprint=fingerprint(planned.claim, planned.check, subject),
        subject=subject,
        verdict=verdict,
        expected=clean(item.expected),
        observed=observed,
        reason=reason,
        observations=ids,
    )


def _population(findings: list[FindingRecord], left_out: list[tuple[str, str]]) -> Population:
    subjects = {one.subject for one in findings}
    probed = {one.subject for one in findings if one.verdict is not Verdict.INCONCLUSIVE}
    return Population(len(subjects | {subject for subject, _ in left_out}), len(probed), tuple(left_out))
