"""Objects that the harness makes in a tenant, each with a canary in it, and takes away again."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upheld.errors import OutOfScope, Refused, Spent, Throttled, Unobservable
from upheld.probes.api_answers import PlantedObject, Reply
from upheld.probes.api_logins import at
from upheld.probes.api_requests import TENANT, kinds_needed
from upheld.probes.planted import Planted

if TYPE_CHECKING:
    from upheld.probes.api_requests import Request
    from upheld.probes.openapi import Document
    from upheld.probes.planted import Journal, Note
    from upheld.redaction import Redactor
    from upheld.target.api import Api

_LONGEST_NEED_SECONDS = 60.0
_TENANTS_AT_ONCE = 2
"""Tenants in which is tidied up at the same time: as many as are mostly compared."""
_CANARY = re.compile(r"c[0-9a-f]{16}")

Call = Callable[..., Reply]
"""`Api.send`: operation, identity, objects, and the canary to fill in; gives the reply."""


@dataclass
class Making:
    """What became of a request that makes an object: the answer's status (0: none), and the object's identifier.

    `nothing` says that the answer shows that nothing was made, whatever its status: a form that is shown again.
    """

    status: int = 0
    made: str = ""
    worked: bool = False
    nothing: bool = False


@dataclass(frozen=True)
class Made:
    """Something that exists because the harness asked for it, and what is needed to take it away."""

    kind: str
    id: str
    identity: str
    objects: Mapping[str, str]
    note: Note


class Planter:
    """Makes objects by the target's recipes and remembers them until they are removed."""

    def __init__(self, api: Api, document: Document, redactor: Redactor, call: Call, journal: Journal) -> None:
        self._journal = journal
        self._api = api
        self._document = document
        self._redactor = redactor
        self._call = call
        self._numbers: dict[str, int] = {}
        self.search_word = f"upheld{secrets.token_hex(4)}"
        self.canaries: dict[str, str] = {}
        self.made: list[Made] = []

    def canary(self, label: str) -> tuple[str, str]:
        """A fresh canary and its label; a second one for the same purpose gets a number."""
        number = self._numbers[label] = self._numbers.get(label, 0) + 1
        name = f"canary-{label}" if number == 1 else f"canary-{label}-{number}"
        # A letter first, so that it is no number anywhere, and no word that occurs by chance.
        value = f"c{secrets.token_hex(8)}"
        self.canaries[name] = value
        self._redactor.add(value, name)
        return name, value

    def order(self, kind: str = "") -> tuple[str, ...]:
        """The kinds of object, those that others need first; with `kind` only that one and what it needs.

        Raises Unobservable when they need one another in a circle, or when there is no recipe for `kind`.
        """
        if kind:
            if kind not in self._api.objects:
                raise Unobservable(f"the target does not say how to make a {kind} (api.objects)")
            wanted, seen = [kind], {kind}
            while wanted:
                wanted = [need for one in wanted for need in self.needs(one) if need not in seen]
                seen.update(wanted)
            return tuple(one for one in self.order() if one in seen)
        done: list[str] = []
        waiting = list(self._api.objects)
        while waiting:
            ready = [one for one in waiting if not (set(self.needs(one)) - set(done))]
            if not ready:
                raise Unobservable(
                    f"the recipes of {', '.join(sorted(waiting))} need one another in a circle (api.objects)"
                )
            done += ready
            waiting = [one for one in waiting if one not in ready]
        return tuple(done)

    def needs(self, kind: str) -> tuple[str, ...]:
        """The kinds of object that must be there before one of `kind` can be made."""
        recipe = self._api.objects[kind]
        operation = self._document.operation(recipe.create)
        return tuple(
            dict.fromkeys(
                (*kinds_needed(operation, self._api), *(one for one in recipe.after if one in self._api.objects))
            )
        )

    def plant(self, kind: str, tenant: str, identity: str, objects: Mapping[str, str]) -> PlantedObject:
        """Make one object of `kind`; what keeps it from being made is the reason in the answer."""
        recipe = self._api.objects.get(kind)
        if recipe is None:
            return PlantedObject(kind, "", reason=f"the target does not say how to make a {kind} (api.objects)")
        missing = [need for need in self.needs(kind) if need not in objects]
        if missing:
            return PlantedObject(kind, "", reason=f"a {kind} needs a {missing[0]}, which could not be made")
        label, value = self.canary(f"{tenant}-{kind}")
        try:
            reply = self._call(recipe.create, identity=identity, objects=objects, canary=value)
        except Unobservable as unobservable:
            return PlantedObject(kind, "", reason=f"a {kind} could not be made: {unobservable.reason}")
        if not reply.worked or not reply.made:
            what = f"answered {reply.status}" if not reply.worked else f"gave no identifier at {recipe.id}"
            return PlantedObject(kind, "", reason=f"a {kind} could not be made: {recipe.create} {what}")
        if recipe.needs_time:
            time.sleep(min(recipe.needs_time, _LONGEST_NEED_SECONDS))
        return PlantedObject(kind, reply.made, canary=label)

    # --- the journal -----------------------------------------------------------------------------------------------

    @contextmanager
    def making(
        self, kind: str, identity: str, objects: Mapping[str, str], request: Request, *, stranger: bool = False
    ) -> Iterator[Making]:
        """Note in the journal that the request inside the block makes an object, and afterwards what became of it.

        `identity` takes it away again; a `stranger` makes it, who has none. Where no answer came there may be an object all the same; where the request was never taken there is none.
        """
        recipe = self._api.objects[kind]
        create = recipe.create
        sent = _CANARY.search((request.content or b"").decode("utf-8", "replace") + request.url)
        mark = hashlib.sha256(sent[0].encode()).hexdigest() if sent else ""
        title = f"a {kind} made by {create} {'without a login' if stranger else f'as {identity}'}"
        planted = Planted("object", title, "api", create, identity, dict(objects), kind=kind, mark=mark)
        note, making = self._journal.about(planted), Making()
        if recipe.chosen is not None and kind in objects:
            # Whoever makes it chose what it is called, so that it can be found unanswered too.
            note.known(objects[kind])
        try:
            yield making
        except (Refused, OutOfScope, Spent, Throttled):
            note.gone()
            raise
        if making.made:
            note.known(making.made)
            self.made.append(Made(kind, making.made, identity, dict(objects), note))
        elif making.nothing or not (making.worked or 200 <= making.status < 300):
            note.gone()

    def remove_all(self) -> tuple[int, list[str]]:
        """Delete what was made, the last made first, in several tenants at once; gives how many are gone, and what stays and why."""
        by_tenant: dict[str, list[Made]] = {}
        count = len(self.made)
        while self.made:
            one = self.made.pop()
            by_tenant.setdefault(one.objects.get(TENANT, ""), []).append(one)
        if not by_tenant:
            return 0, []
        with ThreadPoolExecutor(min(len(by_tenant), _TENANTS_AT_ONCE)) as pool:
            left = [reason for kept in pool.map(self._remove, by_tenant.values()) for reason in kept]
        return count - len(left), left

    def _remove(self, made: Sequence[Made]) -> list[str]:
        """Delete these in turn; gives what stays and why."""
        left = []
        for one in made:
            if not one.note.open:
                continue
            try:
                self.take_away(one.note.planted, one.id)
            except Unobservable as unobservable:
                left.append(f"{one.kind} {one.id}: {unobservable.reason}")
                continue
            one.note.gone()
        return left

    def forget(self, identifier: str) -> None:
        """Remember no longer what somebody else took away."""
        # In place: other threads are adding to the same list.
        for one in [each for each in self.made if each.id == identifier]:
            self.made.remove(one)
            one.note.gone()

    def take_away(self, planted: Planted, identifier: str) -> bool:
        """Delete an object; gives whether it was there. Raises Unobservable with what keeps it from being deleted."""
        recipe = self._api.objects.get(planted.kind)
        if recipe is None or recipe.delete is None:
            raise Unobservable(f"the target names no operation that deletes a {planted.kind}")
        reply = self._call(
            recipe.delete, identity=planted.identity, objects={**planted.objects, planted.kind: identifier}
        )
        if reply.worked:
            return True
        # One that is not there any more (a check deleted it, or its parent) needs no removing.
        if reply.status in {404, 410}:
            return False
        raise Unobservable(f"{recipe.delete} answered {reply.status}")

    def find(self, planted: Planted) -> str:
        """The identifier of an object whose making was not answered, by the canary in it; raises Unobservable when there is none.

        It is looked for in what the listing at the same path shows first.
        """
        recipe = self._api.objects.get(planted.kind)
        if recipe is None or not planted.mark:
            raise Unobservable(
                "its making was never answered, and it has nothing by which it could be told from others"
            )
        path = self._document.operation(recipe.create).path
        listing = next((one for one in self._document.operations if (one.method, one.path) == ("GET", path)), None)
        if listing is None:
            raise Unobservable(f"its making was never answered, and no operation lists what {recipe.create} makes")
        reply = self._call(listing.id, identity=planted.identity, objects=planted.objects)
        if not reply.worked:
            raise Unobservable(f"its making was never answered, and {listing.id} answered {reply.status}")
        try:
            found = _marked(json.loads(reply.text), planted.mark, recipe.id)
        except (ValueError, RecursionError):
            raise Unobservable(f"its making was never answered, and {listing.id} answers no JSON or too much") from None
        if found is None:
            raise Unobservable(f"its making was never answered, and {listing.id} does not show it: it may not exist")
        return found


def _marked(data: Any, mark: str, pointer: str) -> str | None:
    """The identifier of the innermost object in `data` that holds the canary with that SHA-256 and has an identifier."""
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    for child in children:
        if isinstance(child, dict | list) and (found := _marked(child, mark, pointer)) is not None:
            return found
    if not isinstance(data, dict):
        return None
    known = _CANARY.findall(json.dumps(data))
    if not any(hashlib.sha256(one.encode()).hexdigest() == mark for one in known):
        return None
    for place in (pointer, f"/{pointer.rpartition('/')[2]}"):
        with suppress(Unobservable):
            return str(at(data, place))
    return None


def own_objects(tenant_id: str, objects: Mapping[str, str]) -> dict[str, str]:
    """`objects` with the tenant's own identifier, unless another was given."""
    return {TENANT: tenant_id, **objects}
