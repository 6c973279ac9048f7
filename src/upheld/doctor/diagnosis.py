"""Trying out the probes that a policy needs, and what follows for each of its claims.

Nothing here judges a claim. A claim is `ready` when everything that could be tried of what it needs works; that does not
say that it will be upheld, and what was not tried is told.
"""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any

import upheld.doctor.trials
import upheld.doctor.trials_inside  # noqa: F401  (they make the trials of the built-in probes known)
from upheld.catalogue import Check
from upheld.doctor import tools
from upheld.errors import Unobservable
from upheld.execution import forbidden, lacking, undescribed
from upheld.model import PlannedCheck
from upheld.plugin.audit import Audit
from upheld.policies import Policy
from upheld.probes.base import Probe, Session
from upheld.probes.trying import Asked, Trial, trials_of
from upheld.target.model import Environment, Target
from upheld.target.references import unresolved

_NAMED_PART = re.compile(r"the target describes no ([a-z ]+)|\(([a-z_]+)(?:\.[a-z_.]+)?\)")


class Standing(StrEnum):
    """How a probe stands."""

    WORKS = "works"
    BROKEN = "does not work"
    LACKING = "not described"
    UNTRIED = "not tried"


class Outlook(StrEnum):
    """What is to be expected of a claim, the worst first."""

    INCONCLUSIVE = "inconclusive"
    IN_DOUBT = "in doubt"
    UNCOVERED = "uncovered"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing that was tried, and what it showed or why it did not."""

    what: str
    works: bool
    said: str
    only: tuple[str, ...] = ()
    one_of: str = ""

    def __str__(self) -> str:
        """What was tried and what came of it, where that does not say so itself."""
        return self.said if self.what in self.said else f"{self.what}: {self.said}"


@dataclass(frozen=True, slots=True)
class ProbeState:
    """A probe that planned checks look through: what was tried of it, what was not, and what the target lacks for it."""

    name: str
    standing: Standing
    lacks: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    untried: str = ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way of a check; `certain` when it cannot be decided as long as that stands."""

    check: str
    probe: str
    reason: str
    certain: bool


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim and what stands in its way."""

    id: str
    statement: str
    outlook: Outlook
    obstacles: tuple[Obstacle, ...] = ()
    decided_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How a target stands to a policy."""

    target: str
    environment: str
    policy: str
    probes: tuple[ProbeState, ...]
    claims: tuple[ClaimState, ...]
    secrets: tuple[tuple[str, str], ...]
    """References that lead to no secret, each with the part of the description that it stands in."""
    lacks: tuple[tuple[str, tuple[str, ...]], ...]
    """The parts that the description lacks, each with the claims that need it."""
    forbidden: tuple[str, ...]
    """The intrusive checks that a production target does not allow."""
    reset: str | None = None
    """How the whole deployment is reset when that is asked for; empty where checks may write and the target does not say how; None
    where none writes, or where it may not be reset anyway."""

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way of any claim that checks decide."""
        return all(one.outlook in {Outlook.READY, Outlook.UNCOVERED} for one in self.claims)


def diagnose(audit: Audit, session: Session, asked: Asked) -> Diagnosis:
    """Try out every probe that the audit's plan needs, within the scope, and say what follows for its claims."""
    policy, catalogue = audit.policy, audit.catalogue
    target = session.target
    planned = [one for one in audit.plan if not one.not_applicable]
    checks = {one.check: catalogue[one.check] for one in planned}
    words = {one.key: _words(checks[one.check], one) for one in planned}
    secrets = tuple((part, session.redactor.text(reason)) for part, reason in unresolved(target, session.target_folder))
    states: dict[str, ProbeState] = {}
    with session.scope.fence.up():
        for kind in _kinds(checks.values()):
            wanted = [words[one.key] for one in planned if kind in checks[one.check].probes.values()]
            states[kind.name] = _state(kind, session, asked, wanted)
    obstacles: dict[str, list[Obstacle]] = {}
    for one in planned:
        found = obstacles.setdefault(one.claim, [])
        if reason := forbidden(one, target):
            found.append(Obstacle(one.check, "", reason, certain=True))
        for kind in checks[one.check].probes.values():
            found += _in_the_way(one, states[kind.name], words[one.key], secrets, kind)
    lacks: dict[str, dict[str, None]] = {}
    for claim, found in obstacles.items():
        for part in (part for one in found for part in _parts_in(one.reason)):
            if not getattr(target, part):
                lacks.setdefault(part, {})[claim] = None
    return Diagnosis(
        target=target.name,
        environment=target.environment.value,
        policy=policy.name,
        probes=tuple(sorted(states.values(), key=lambda one: one.name)),
        claims=tuple(_claims(policy, audit.selected or [claim.id for claim in policy.claims], obstacles)),
        secrets=secrets,
        lacks=tuple((part, tuple(claims)) for part, claims in lacks.items()),
        reset=_reset(target, any(one.marks.intrusive for one in checks.values())),
        forbidden=tuple(dict.fromkeys(one.check for one in planned if forbidden(one, target))),
    )


def _reset(target: Target, writes: bool) -> str | None:
    if not writes or target.environment is Environment.PRODUCTION:
        return None
    return "" if target.reset is None else target.reset.way


def _kinds(checks: Iterable[Check]) -> list[type[Probe]]:
    return list(dict.fromkeys(kind for one in checks for kind in one.probes.values()))


def _state(kind: type[Probe], session: Session, asked: Asked, wanted: Sequence[frozenset[str]]) -> ProbeState:
    """How a probe stands; a trial that concerns none of the checks (their words are `wanted`) is not made."""
    if missing := lacking(kind, session.target):
        return ProbeState(kind.name, Standing.LACKING, missing)
    known = trials_of(kind)
    trials: list[Trial] = [Trial(one.name, one.find, one.only) for one in tools.needed_by(kind.name, session.target)]
    tried: list[Tried] = []
    try:
        if known is not None:
            trials += known.make(session.probe(kind), asked)
    except (
        Exception
    ) as error:  # What keeps trials from being made keeps the probe from looking: it is told as one that failed.
        tried.append(Tried("what there is to try", works=False, said=_said(session, error)))
    tried += [
        _try(one, session) for one in trials if not one.only or any(words.issuperset(one.only) for words in wanted)
    ]
    untried = known.untried if known else "nobody has written how to try this probe out"
    if known and known.logs_in and not asked.log_in:
        untried = f"logging in (--log-in tries it); {untried}"
    if not all(one.works for one in tried):
        standing = Standing.BROKEN
    else:
        standing = Standing.WORKS if known and tried else Standing.UNTRIED
    return ProbeState(kind.name, standing, (), tuple(tried), untried)


def _try(trial: Trial, session: Session) -> Tried:
    try:
        return Tried(
            trial.what, works=True, said=session.redactor.text(trial.call()), only=trial.only, one_of=trial.one_of
        )
    except (
        Exception
    ) as error:  # Whatever it is, the probe did not work; the reason is told, and nothing is taken for granted.
        return Tried(trial.what, works=False, said=_said(session, error), only=trial.only, one_of=trial.one_of)


def _said(session: Session, error: Exception) -> str:
    reason = error.reason if isinstance(error, Unobservable) else f"it broke: {type(error).__name__}: {error}"
    return session.redactor.text(reason)


def _in_the_way(
    planned: PlannedCheck,
    state: ProbeState,
    words: frozenset[str],
    secrets: Iterable[tuple[str, str]],
    kind: type[Probe],
) -> Iterator[Obstacle]:
    for part in state.lacks:
        yield Obstacle(planned.check, state.name, undescribed(part), certain=True)
    some_work = {one.one_of for one in state.tried if one.works and one.one_of}
    for one in state.tried:
        if not one.works and words.issuperset(one.only):
            yield Obstacle(planned.check, state.name, str(one), certain=one.one_of not in some_work)
    if state.standing is Standing.UNTRIED:
        yield Obstacle(planned.check, state.name, f"not tried: {state.untried}", certain=False)
    # Somebody who calls the API logs in, and staff's secrets stand in its own part.
    parts = {*kind.needs, *(["identities"] if "api" in kind.needs else [])}
    for part, reason in secrets:
        if part in parts and not any(reason in one.said for one in state.tried):
            yield Obstacle(planned.check, state.name, reason, certain=False)


def _parts_in(reason: str) -> Iterator[str]:
    """The parts of a description of which a reason says that they are not there: `no stores searched`, `(canary_flows)`."""
    for found in _NAMED_PART.finditer(reason):
        part = (found[1] or found[2]).replace(" ", "_")
        if part in Target.model_fields:
            yield part


def _claims(policy: Policy, selected: Collection[str], obstacles: dict[str, list[Obstacle]]) -> Iterator[ClaimState]:
    """The selected claims, each with what stands in its way and its outlook: the worst of its own and its deciders'."""
    order = list(Outlook)
    own: dict[str, ClaimState] = {}
    for claim in policy.claims:
        found = tuple(dict.fromkeys(obstacles.get(claim.id, ())))
        if any(one.certain for one in found):
            outlook = Outlook.INCONCLUSIVE
        elif found:
            outlook = Outlook.IN_DOUBT
        else:
            outlook = Outlook.READY if claim.uses or claim.decided_by else Outlook.UNCOVERED
        own[claim.id] = ClaimState(claim.id, claim.statement, outlook, found, claim.decided_by)
    for name, state in own.items():
        if name not in selected:
            continue
        resting, waiting = {name}, [name]
        while waiting:
            more = set(own[waiting.pop()].decided_by) - resting
            resting |= more
            waiting += more
        yield replace(state, outlook=min((own[one].outlook for one in resting), key=order.index))


def _words(check: Check, planned: PlannedCheck) -> frozenset[str]:
    """Every name and text in the code of a check, of the functions beside it that it calls, and in its parameters.

    A look that a check makes is among them, so that what concerns none of them does not concern the check.
    """
    words = set(_texts(dict(planned.parameters)))
    known: set[object] = set()
    waiting: list[Any] = [check.function]
    while waiting:
        one = waiting.pop()
        if one in known:
            continue
        known.add(one)
        for code in _codes(one.__code__):
            words |= {*code.co_names, *code.co_freevars, *_texts(code.co_consts)}
            for name in code.co_names:
                value = one.__globals__.get(name)
                words |= set(_texts(value))
                waiting += _functions(value, check.function.__module__.partition(".")[0])
    return frozenset(words)


def _functions(value: object, package: str) -> Iterator[types.FunctionType]:
    """The functions that a global name stands for, of the checks' own modules: itself, a class's or a module's."""
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "")
    if not isinstance(module, str) or not module.startswith(package):
        return
    inner = vars(value).values() if isinstance(value, type | types.ModuleType) else (value,)
    yield from (one for one in inner if isinstance(one, types.FunctionType))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, type) and issubclass(value, Enum):
        yield from (str(one.value) for one in value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _texts(item)
