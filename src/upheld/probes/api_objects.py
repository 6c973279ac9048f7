"""Objects that the harness makes in a tenant, each with a canary in it, and takes away again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upheld.errors import Unobservable
from upheld.probes.api_answers import PlantedObject, Reply
from upheld.probes.api_requests import TENANT, kinds_needed

if TYPE_CHECKING:
    from upheld.probes.openapi import Document
    from upheld.redaction import Redactor
    from upheld.target.api import Api

_LONGEST_NEED_SECONDS = 60.0

Call = Callable[..., Reply]
"""`Api.send`: operation, identity, objects, and the canary to fill in; gives the reply."""


@dataclass(frozen=True)
class Made:
    """Something that exists because the harness asked for it, and what is needed to take it away."""

    kind: str
    id: str
    identity: str
    objects: Mapping[str, str]


class Planter:
    """Makes objects by the target's recipes and remembers them until they are removed."""

    def __init__(self, api: Api, document: Document, redactor: Redactor, call: Call) -> None:
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

    def remove_all(self) -> tuple[int, list[str]]:
        """Delete what was made, the last made first; gives how many are gone, and what stays and why."""
        removed, left = 0, []
        while self.made:
            one = self.made.pop()
            recipe = self._api.objects[one.kind]
            if recipe.delete is None:
                left.append(f"{one.kind} {one.id}: the target names no operation that deletes it")
                continue
            try:
                reply = self._call(recipe.delete, identity=one.identity, objects={**one.objects, one.kind: one.id})
            except Unobservable as unobservable:
                left.append(f"{one.kind} {one.id}: {unobservable.reason}")
                continue
            # One that is not there any more (a check deleted it, or its parent) needs no removing.
            if reply.worked or reply.status in {404, 410}:
                removed += 1
            else:
                left.append(f"{one.kind} {one.id}: {recipe.delete} answered {reply.status}")
        return removed, left


def own_objects(tenant_id: str, objects: Mapping[str, str]) -> dict[str, str]:
    """`objects` with the tenant's own identifier, unless another was given."""
    return {TENANT: tenant_id, **objects}
