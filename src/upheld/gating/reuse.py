"""Which results a run need not make again: those of a cache, that the same inputs gave, and those of an earlier run of the base.

What cannot be told apart is looked at anew: a result is taken over only where all that it rested on is known to be as it was.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from upheld.gating.inputs import Inputs, Touched, observed, repeatable, rests_of
from upheld.model import CheckResult, PlannedCheck, Run
from upheld.reporting.headline import several, whole

if TYPE_CHECKING:
    from upheld.caching import Cache
    from upheld.target.model import Target

_RESULT: TypeAdapter[CheckResult] = TypeAdapter(CheckResult)
_KIND = "check"
CACHED, CARRIED = "cached", "carried"


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over, and why the rest was not."""

    cached: tuple[CheckResult, ...] = ()
    carried: tuple[CheckResult, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """By the key of each check that the base run has and that is looked at all the same: why."""

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """All that was taken over."""
        return (*self.cached, *self.carried)

    @property
    def reasons(self) -> Counter[str]:
        """How many checks are looked at all the same, by reason."""
        return Counter(self.refused.values())


class Remembered:
    """The results of checks over files, kept by all that they rest on."""

    def __init__(self, cache: Cache, inputs: Inputs, description: str) -> None:
        """`description` is the digest of the target's description."""
        self._cache = cache
        self._inputs = inputs
        self._description = description

    def find(self, planned: PlannedCheck) -> CheckResult | None:
        """The result that the same inputs gave; None where none is known."""
        for entry in self._cache.alike(_KIND, self._made_of(planned)):
            try:
                result = _RESULT.validate_python(entry["result"])
                trace = [
                    (str(probe), str(look), arguments, str(mark)) for probe, look, arguments, mark in entry["trace"]
                ]
            except (ValidationError, KeyError, TypeError, ValueError):
                self._cache.ignored.append(f"an entry of {planned.check} is no result")
                continue
            looks = [(one.probe, one.look, one.arguments) for one in result.observations]
            if not repeatable(result) or looks != [step[:3] for step in trace]:
                self._cache.ignored.append(f"an entry of {planned.check} does not say what it rests on")
            elif all(mark and mark == self._inputs.digest(*step) for *step, mark in trace):
                self._cache.hits += 1
                return _as_planned(
                    planned, result, f"{CACHED}: the same files, tools, description and parameters gave it"
                )
        return None

    def keep(self, planned: PlannedCheck, result: CheckResult) -> None:
        """Keep a result, where the same inputs must give it again."""
        if result.origin or not repeatable(result):
            return
        trace = []
        for one in result.observations:
            mark = self._inputs.digest(one.probe, one.look, one.arguments)
            if not mark:
                return
            trace.append([one.probe, one.look, one.arguments, mark])
        value = {"trace": trace, "result": json.loads(to_json(result, inf_nan_mode="strings"))}
        self._cache.add(_KIND, self._made_of(planned), value)

    def _made_of(self, planned: PlannedCheck) -> dict[str, Any]:
        return {
            "claim": planned.claim,
            "check": planned.check,
            "code": planned.code_digest,
            "parameters": planned.parameters,
            "target": self._description,
        }


class Base:
    """The last full run of the base, whose results are carried where the change cannot have changed them."""

    def __init__(self, run: Run, now: datetime, max_age: timedelta) -> None:
        self.run = run
        self._now = now
        self._max_age = max_age
        self._known: dict[tuple[str, str, str], CheckResult] = {}
        for claim in run.claims:
            for one in claim.checks:
                self._known[claim.id, one.id, _canonical(one.parameters)] = one

    def fault(self, target: Target, name: str, digest: str, versions: Mapping[str, str]) -> str:
        """Why nothing at all is carried from it; empty where something may be."""
        run = self.run
        if not whole(run):
            return "it was interrupted, or is under way"
        if run.target.sabotages:
            return "its target was started with defects put in on purpose"
        if (run.target.name, run.target.environment) != (target.name, target.environment.value):
            return f"it is of another target ({run.target.name}, {run.target.environment})"
        if run.target.digest != digest:
            return f"the target's description ({name}) has changed since"
        if run.versions.get("upheld") != versions["upheld"]:
            return f"another version of upheld made it ({run.versions.get('upheld', 'not told')})"
        return ""

    def carry(
        self, planned: PlannedCheck, touched: Touched, versions: Mapping[str, str], policy_digest: str
    ) -> CheckResult | str:
        """The result of a check, or why it is looked at anew."""
        result = self._known.get((planned.claim, planned.check, _canonical(planned.parameters)))
        if result is None:
            return "the base run does not have it with these parameters"
        reason = self._outdated(planned, result, versions) or touched.why(result)
        if policy_digest != self.run.policy_digest and any(
            rests_of(look.probe, look.look).policy for look in result.observations
        ):
            reason = reason or "it compares with the policy, which has changed since"
        if reason:
            return reason
        where = f"run {self.run.id[:8]} of {self.run.started}"
        # What was carried before stays as old as it is, and says where it is from.
        origin = result.origin if result.origin.startswith(CARRIED) else f"{CARRIED}: from {where}"
        return _as_planned(planned, result, origin)

    def _outdated(self, planned: PlannedCheck, result: CheckResult, versions: Mapping[str, str]) -> str:
        """Why the result does not stand any more, whatever the change is."""
        age = self._now - _moment(result.started)
        if result.code_digest != planned.code_digest:
            return "the check's code has changed since"
        if not observed(result):
            return "the base run came to no end of it that was observed"
        for tool in sorted({name for look in result.observations for name in rests_of(look.probe, look.look).tools}):
            mark = versions.get(f"tool {tool}", "")
            if mark != self.run.versions.get(f"tool {tool}") or mark in {"", "not told"}:
                return f"{tool} is another one, or cannot be told"
        if age < timedelta(0):
            return "it says that it is of the future"
        return f"it is older than {spelled(self._max_age)}" if age > self._max_age else ""


def spelled(age: timedelta) -> str:
    """An age as a person says it: `3 days`, `5 hours`, `12 minutes`."""
    minutes = int(age.total_seconds() // 60)
    if minutes >= 48 * 60:
        return several(minutes // (24 * 60), "day")
    return several(minutes // 60, "hour") if minutes >= 120 else several(max(minutes, 0), "minute")


def age_of(result: CheckResult, now: datetime) -> timedelta:
    """How long ago a result was looked at."""
    return now - _moment(result.started)


def _moment(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _canonical(parameters: Any) -> str:
    return json.dumps(parameters, sort_keys=True, default=str)


def _as_planned(planned: PlannedCheck, result: CheckResult, origin: str) -> CheckResult:
    """A result as that of this very planned check, whose key is another one under another policy."""
    old, new = f"{result.key}.", f"{planned.key}."

    def renamed(identity: str) -> str:
        for separator in (".", "-"):
            if identity.startswith(f"{result.key}{separator}"):
                return f"{planned.key}{identity[len(result.key) :]}"
        return identity

    if old == new:
        return dataclasses.replace(result, title=planned.title, basis=planned.basis, origin=origin)
    return dataclasses.replace(
        result,
        key=planned.key,
        claim=planned.claim,
        title=planned.title,
        basis=planned.basis,
        origin=origin,
        findings=tuple(
            dataclasses.replace(one, observations=tuple(map(renamed, one.observations))) for one in result.findings
        ),
        observations=tuple(dataclasses.replace(one, id=renamed(one.id)) for one in result.observations),
    )
