"""Learning who can do what: operations of an API are called as each identity and as a stranger, and what came of it is shown."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

from upheld.errors import InputError, Mistake, Unobservable
from upheld.opening import open_session
from upheld.reporting.text import safe
from upheld.target.model import Environment

if TYPE_CHECKING:
    from upheld.probes.api import Api, Case, PlantedTenant, Reply
    from upheld.target.api import Identity
    from upheld.target.model import Target

NOT_CALLED = "it may change something, and was not called (--intrusive)"
"""Why an operation with an unsafe method is not learned."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What an operation did for each role: those it worked for, those it refused, and why nothing can be said of the others.

    `strangers` says whether it worked without a credential. `reason` is why it was not called at all.
    """

    operation: str
    called: str
    works: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unclear: tuple[tuple[str, str], ...] = ()
    strangers: bool = False
    reason: str = ""

    @property
    def doubt(self) -> str:
        """Why its line must not be taken as it is; empty where it was found out for every role.

        What works for nobody may have been called wrongly, so that its refusals say nothing.
        """
        if self.reason or self.unclear:
            return self.reason or "; ".join(f"{who}: {why}" for who, why in self.unclear)
        return "" if self.works else "it worked for nobody, so that a refusal cannot be told from a call that is wrong"


def learn(target_file: Path, journal: Callable[[object], Path], *, intrusive: bool = False) -> Iterator[Learned]:
    """Call the operations that the target does not exclude, as its identities; `journal` gives the folder for notes.

    Without `intrusive` only those with a safe method, about objects that are there already. Raises InputError when the target's
    description is wrong or does not allow it, Unobservable when there is nothing to call.
    """
    from upheld.probes.api import Api, paths_in_turn  # noqa: PLC0415  (it brings all probes of the API)
    from upheld.target.load import load_target  # noqa: PLC0415

    target, _ = load_target(target_file)
    if intrusive and target.environment is Environment.PRODUCTION:
        hint = "no --intrusive, or a copy of it that may be written to (environment: staging)"
        raise InputError(
            [
                Mistake(
                    str(target_file),
                    0,
                    0,
                    "every operation would be called, and the target is production",
                    expected=hint,
                )
            ]
        )
    with tempfile.TemporaryDirectory(prefix="upheld-learn-") as scratch:
        session = open_session(target_file, Path(scratch), secrets.token_hex(32), journal(target))
        try:
            with session.scope.fence.up():
                api = cast("Api", session.probe(Api))
                pupil = _Pupil(api, target, intrusive=intrusive)
                try:
                    for case in paths_in_turn(api.cases()):
                        yield pupil.learn(case)
                finally:
                    if intrusive:
                        api.remove_planted()
        finally:
            session.close()


def learners(target: Target) -> tuple[Identity, ...]:
    """The identities that are asked as: of each role those that are not to be burnt, in tenants that are compared, where there are such."""
    compared = {one.name for one in target.tenants if one.compared}

    def rank(one: Identity) -> tuple[bool, bool]:
        return one.throwaway, one.tenant not in compared

    best = {
        role: min(rank(one) for one in target.identities if one.role == role)
        for role in {i.role for i in target.identities}
    }
    return tuple(one for one in target.identities if rank(one) == best[one.role])


class _Pupil:
    def __init__(self, api: Api, target: Target, *, intrusive: bool) -> None:
        self._identities = learners(target)
        if not self._identities:
            raise Unobservable("the target has no identities")
        self._api = api
        self._intrusive = intrusive
        self._planted: dict[str, PlantedTenant] = {}
        self._there = {one.name: {"tenant": one.id, **one.objects} for one in target.tenants}

    def learn(self, case: Case) -> Learned:
        reason = case.left_out or ("" if self._intrusive or not case.changes else NOT_CALLED) or case.obstacle
        if reason:
            return Learned(case.id, str(case), reason=reason)
        outcomes: dict[str, dict[str, str]] = {}
        for one in self._identities:
            outcomes.setdefault(one.role, {})[one.name] = self._outcome(case, one.name, one.tenant)
        works, refused, unclear = [], [], []
        for role, by_name in outcomes.items():
            seen = set(by_name.values())
            if seen == {_WORKED}:
                works.append(role)
            elif seen == {_REFUSED}:
                refused.append(role)
            else:
                unclear.append((role, ", ".join(f"{name} {what}" for name, what in by_name.items())))
        stranger = self._outcome(case, None, self._identities[0].tenant)
        if stranger not in {_WORKED, _REFUSED}:
            unclear.append(("a stranger", stranger))
        return Learned(case.id, str(case), tuple(works), tuple(refused), tuple(unclear), strangers=stranger == _WORKED)

    def _outcome(self, case: Case, identity: str | None, tenant: str) -> str:
        try:
            reply = self._call(case, identity, tenant)
        except Unobservable as unobservable:
            return f"could not be asked for: {unobservable.reason}"
        if reply.limited:
            return "was limited"
        if reply.worked:
            return _WORKED
        return _REFUSED if reply.refused else f"was answered {reply.status}"

    def _call(self, case: Case, identity: str | None, tenant: str) -> Reply:
        found = dict(self._api.existing(case.id, tenant)) if case.existing else {}
        if not self._intrusive:
            ids = {**self._there[tenant], **found}
            for kind in (one.kind for one in case.references if one.kind not in ids and not one.optional):
                raise Unobservable(f"the target names no {kind} that is there in {tenant} (tenants, objects)")
            return self._api.call(case.id, identity, ids)
        if tenant not in self._planted:
            self._planted[tenant] = self._api.plant(tenant)
        planted = self._planted[tenant]
        ids = {**planted.ids(), **found}
        for kind in (one.kind for one in case.references if one.kind not in ids and not one.optional):
            raise Unobservable(planted.missing().get(kind, f"there is no {kind} in {tenant}"))
        if case.changes and case.object in planted.ids():
            # Whatever is done to it, the others are to find theirs as it was made.
            ids[case.object] = self._api.plant_one(tenant, case.object, ids).id
        return self._api.call(case.id, identity, ids)


_WORKED = "worked"
_REFUSED = "was refused"


def as_yaml(found: list[Learned], identities: tuple[Identity, ...], today: date) -> str:
    """The matrix as a part of a target file; what a person has to decide first stands in comments."""
    everybody = {one.role for one in identities}
    who = ", ".join(f"{one.name} ({one.role})" for one in identities)
    lines = [
        _comment(f"Learned by `upheld learn --roles` on {today} from {who}."),
        _comment(
            "It says what each role can do, and not what it should: until somebody has confirmed every line, it proves nothing."
        ),
        "access:",
    ]
    certain = [one for one in found if not one.doubt]
    open_to_all = [one for one in certain if set(one.works) == everybody]
    if open_to_all:
        lines.append("  everyone:")
        for one in open_to_all:
            lines += [*_remarks(one), f"    - {_exact(one.operation)}"]
    some = [one for one in certain if one not in open_to_all]
    lines.append("  roles:" if some else "  roles: {}")
    for one in some:
        lines += [*_remarks(one), f"    {_exact(one.operation)}: {_exact(list(one.works))}"]
    for one in found:
        if one.doubt:
            lines.append(_comment(f"not found out: {one.called}: {one.doubt}", "  "))
            if one.works or one.refused:
                words = f"allowed: {', '.join(one.works) or 'nobody'}; refused: {', '.join(one.refused) or 'nobody'}"
                lines.append(_comment(words, "    "))
            if one.strangers:
                lines.append(_comment(_OPEN, "    "))
    return "\n".join(lines) + "\n"


_OPEN = "look: it works for strangers too, without any credential"


def _remarks(one: Learned) -> Iterator[str]:
    yield _comment(one.called, "    ")
    if one.strangers:
        yield _comment(_OPEN, "    ")
    if one.refused:
        yield _comment(f"refused: {', '.join(one.refused)}", "    ")


def _comment(text: str, indent: str = "") -> str:
    return f"{indent}# {safe(text, 400)}"


def _exact(value: object) -> str:
    """A value as YAML that is read back as it is, with what no reader would see spelled out."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in text)
