"""Learning who can do what: every operation of an API is called as each role and as a stranger, and what came of it is shown."""

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


@dataclass(frozen=True, slots=True)
class Learned:
    """What an operation did for each role: those it worked for, those it refused, and why nothing can be said of the others.

    `strangers` says whether it worked without a credential. `harmless` says that it was called so that it changes nothing, and that
    "worked" means that the call got further than the role. `reason` is why it was not called at all.
    """

    operation: str
    called: str
    works: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unclear: tuple[tuple[str, str], ...] = ()
    strangers: bool = False
    harmless: bool = False
    reason: str = ""


def learn(target_file: Path, journal: Callable[[object], Path]) -> Iterator[Learned]:
    """Call every operation that the target does not exclude, as one identity of each role; `journal` gives the folder for notes.

    Raises InputError when the target's description is wrong or does not allow it, Unobservable when there is nothing to call.
    """
    from upheld.probes.api import Api, paths_in_turn  # noqa: PLC0415  (it brings all probes of the API)
    from upheld.target.load import load_target  # noqa: PLC0415

    target, _ = load_target(target_file)
    if target.environment is Environment.PRODUCTION:
        hint = "a copy of it that may be written to (environment: staging)"
        raise InputError(
            [Mistake(str(target_file), 0, 0, "every operation is called, and the target is production", expected=hint)]
        )
    with tempfile.TemporaryDirectory(prefix="upheld-learn-") as scratch:
        session = open_session(target_file, Path(scratch), secrets.token_hex(32), journal(target))
        try:
            with session.scope.fence.up():
                api = cast("Api", session.probe(Api))
                pupil = _Pupil(api, roles_of(target.identities))
                try:
                    for case in paths_in_turn(api.cases()):
                        yield pupil.learn(case)
                finally:
                    api.remove_planted()
        finally:
            session.close()


def roles_of(identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
    """One identity of each role, no throw-away one where there is another."""
    found: dict[str, Identity] = {}
    for one in sorted(identities, key=lambda identity: identity.throwaway):
        found.setdefault(one.role, one)
    return tuple(found.values())


class _Pupil:
    def __init__(self, api: Api, roles: tuple[Identity, ...]) -> None:
        if not roles:
            raise Unobservable("the target has no identities")
        self._api = api
        self._roles = roles
        self._planted: dict[str, PlantedTenant] = {}

    def learn(self, case: Case) -> Learned:
        reason = case.left_out
        if reason:
            return Learned(case.id, str(case), reason=reason)
        works, refused, unclear = [], [], []
        for one in self._roles:
            try:
                reply = self._call(case, one.name, one.tenant)
            except Unobservable as unobservable:
                unclear.append((one.role, unobservable.reason))
                continue
            if reply.worked or (case.obstacle and not reply.refused and not reply.limited):
                works.append(one.role)
            elif reply.refused:
                refused.append(one.role)
            else:
                unclear.append((one.role, f"answered {reply.status}"))
        try:
            strangers = not case.obstacle and self._call(case, None, self._roles[0].tenant).worked
        except Unobservable as unobservable:
            unclear.append(("a stranger", unobservable.reason))
            strangers = False
        return Learned(
            case.id,
            str(case),
            tuple(works),
            tuple(refused),
            tuple(unclear),
            strangers=strangers,
            harmless=bool(case.obstacle),
        )

    def _call(self, case: Case, identity: str | None, tenant: str) -> Reply:
        if case.obstacle:
            return self._api.harmless(case.id, identity, wait=True)
        if tenant not in self._planted:
            self._planted[tenant] = self._api.plant(tenant)
        planted = self._planted[tenant]
        ids = {**planted.ids(), **(dict(self._api.existing(case.id, tenant)) if case.existing else {})}
        for kind in (one.kind for one in case.references if one.kind not in ids and not one.optional):
            raise Unobservable(planted.missing().get(kind, f"there is no {kind} in {tenant}"))
        if case.changes and case.object in planted.ids():
            # Whatever is done to it, the others are to find theirs as it was made.
            ids[case.object] = self._api.plant_one(tenant, case.object, ids).id
        return self._api.call(case.id, identity, ids)


def as_yaml(found: list[Learned], roles: tuple[Identity, ...], today: date) -> str:
    """The matrix as a part of a target file, with a comment wherever a person has to decide."""
    everybody = {one.role for one in roles}
    who = ", ".join(f"{one.name} ({one.role})" for one in roles)
    lines = [
        _comment(f"Learned by `upheld learn` on {today} from {who}."),
        _comment(
            "It says what each role can do, and not what it should: read every line before it becomes what you audit against."
        ),
        "access:",
    ]
    open_to_all = [one for one in found if everybody and set(one.works) == everybody]
    if open_to_all:
        lines.append("  everyone:")
        for one in open_to_all:
            lines += [*_remarks(one), f"    - {_exact(one.operation)}"]
    lines.append("  roles:" if any(_certain(one, open_to_all) for one in found) else "  roles: {}")
    for one in found:
        if _certain(one, open_to_all):
            lines += [*_remarks(one), f"    {_exact(one.operation)}: {_exact(list(one.works))}"]
    for one in found:
        if one not in open_to_all and not _certain(one, open_to_all):
            why = one.reason or "; ".join(f"{role}: {reason}" for role, reason in one.unclear)
            lines.append(_comment(f"not learned: {one.called}: {why}", "  "))
    return "\n".join(lines) + "\n"


def _certain(one: Learned, open_to_all: list[Learned]) -> bool:
    return one not in open_to_all and not one.reason and bool(one.works or one.refused)


def _remarks(one: Learned) -> Iterator[str]:
    yield _comment(one.called, "    ")
    if one.strangers:
        yield _comment("look: it works for strangers too, without any credential", "    ")
    if one.harmless:
        yield _comment("called so that it changes nothing: who is listed got further than the role", "    ")
    if not one.works:
        yield _comment("it worked for nobody", "    ")
    for role, reason in one.unclear:
        yield _comment(f"not learned for {role}: {reason}", "    ")


def _comment(text: str, indent: str = "") -> str:
    return f"{indent}# {safe(text, 400)}"


def _exact(value: object) -> str:
    """A value as YAML that is read back as it is, with what no reader would see spelled out."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in text)
