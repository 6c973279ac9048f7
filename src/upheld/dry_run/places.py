"""Filling the places of what looks say that they send from the target's description."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from upheld.probes.openapi import Document, Operation
    from upheld.probes.sending import Sends
    from upheld.target.api import Api, Identity, ObjectRecipe
    from upheld.target.model import Target
    from upheld.target.staff import StaffIdentity

_PLACE = re.compile(r"\{([a-z_.:]+)\}")
_SHOWN = 6
"""Names that are shown one by one; of more it is said how many there are."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One class of requests that a check would make: by which means, what, as whom, how many at the most (None: not known before)."""

    by: str
    what: str
    whom: str
    most: int | None
    does: str


class Places:
    """The places, over one target; `folder` is where its file lies."""

    def __init__(self, target: Target, folder: Path) -> None:
        """Reads the OpenAPI documents that are files, when they are first needed."""
        self._target = target
        self._folder = folder
        self._unseen: tuple[ObjectRecipe, ...] = ()
        """What stands for recipes that only the run will know."""
        if target.api is not None and target.api.infer_objects:
            self._infer(target.api)

    def fill(self, sends: Sends, parameters: Mapping[str, Any]) -> Iterator[Sent]:
        """The classes that this comes to here: one for each value of its places, none where a place has no value."""
        most = parameters.get(sends.most) if isinstance(sends.most, str) else sends.most
        items: Iterable[Any] = _walk(self._target, sends.each) if sends.each else (None,)
        if sends.each == "api.objects":
            items = (*items, *self._unseen)
        for item in items:
            if not all(self._values(place, item) for place in _PLACE.findall(sends.whom) if place.startswith("name:")):
                continue  # Who would do it is not described.
            whom = _PLACE.sub(lambda found, of=item: _joined(self._values(found[1], of)), sends.whom)  # type: ignore[misc]
            places = list(dict.fromkeys(_PLACE.findall(sends.what)))
            for values in itertools.product(*(self._values(place, item) for place in places)):
                filled = dict(zip(places, values, strict=True))
                what = _PLACE.sub(lambda found, of=filled: of[found[1]], sends.what)  # type: ignore[misc]
                yield Sent(sends.by, what, whom, most if isinstance(most, int) else None, sends.does)

    def _infer(self, api: Api) -> None:
        """Take the recipes that follow from the document, where it is a file; otherwise it is known only that there will be some."""
        from upheld.probes.inferring import complete  # noqa: PLC0415  (only where something is inferred)
        from upheld.target.api import ObjectRecipe  # noqa: PLC0415

        document = self._document(api)
        if document is not None:
            self._target = self._target.model_copy(update={"api": complete(api, document).api})
            return
        made = "which makes each kind that the document lets one infer"
        self._unseen = (ObjectRecipe(create=made, delete="which takes away what was made so"),)

    def operations(self) -> tuple[Operation, ...]:
        """The operations of the API's document; none where it is no file that can be read."""
        return self._customers or ()

    def _values(self, place: str, item: Any) -> list[str]:
        kind, _, path = place.partition(":")
        if not path:
            known: dict[str, Callable[[], Iterable[str]]] = {
                "acting": self._acting,
                "members": lambda: (one.name for one in self._target.identities),
                "throwaway": lambda: (one.name for one in self._everybody() if one.throwaway),
                "staff": lambda: (one.name for one in self._target.staff.identities) if self._target.staff else (),
                "document": lambda: _asked_for(self._target.api),
                "staff_document": lambda: _asked_for(self._target.staff.api if self._target.staff else None),
                "logins": self._logins,
                "operations": lambda: _all_of(self._target.api, self._customers),
                "staff_operations": lambda: _all_of(
                    self._target.staff.api if self._target.staff else None, self._console
                ),
            }
            if place in known:
                return list(known[place]())
            return [str(one) for one in self._found(place, item)]
        if kind == "name":
            return [path] if self._found(path, item) else []
        document = self._console if kind == "staff_call" else self._customers
        return [_named(str(one), document or ()) for one in self._found(path, item)]

    def _found(self, path: str, item: Any) -> list[Any]:
        if item is not None and hasattr(item, path.partition(".")[0]):
            return list(_walk(item, path))
        return list(_walk(self._target, path))

    def _acting(self) -> Iterator[str]:
        role = self._target.api.acting_role if self._target.api else ""
        yield from (one.name for one in self._target.identities if one.role == role and not one.throwaway)

    def _everybody(self) -> Iterator[Identity | StaffIdentity]:
        yield from self._target.identities
        yield from self._target.staff.identities if self._target.staff else ()

    def _logins(self) -> Iterator[str]:
        for name, login in (self._target.api.logins if self._target.api else {}).items():
            if any(one.login == name for one in self._target.identities):
                for one in login.requests():
                    page = f", after GET {one.page}" if one.page else ""
                    yield f"{one.method} {one.path}{page} (the login {name})"
                if login.check:
                    yield f"GET {login.check} (whether the login {name} is right)"

    @cached_property
    def _customers(self) -> tuple[Operation, ...] | None:
        return self._operations(self._target.api)

    @cached_property
    def _console(self) -> tuple[Operation, ...] | None:
        return self._operations(self._target.staff.api if self._target.staff else None)

    def _operations(self, api: Api | None) -> tuple[Operation, ...] | None:
        document = self._document(api)
        return None if document is None else document.operations

    def _document(self, api: Api | None) -> Document | None:
        if api is None or _asked_for(api):
            return None
        from upheld.probes.openapi import Document, declared, of_file  # noqa: PLC0415  (only where there are operations)

        known = tuple(declared(api))
        if api.openapi is None:
            return Document(known, {})
        try:
            document = of_file(api.openapi, self._folder)
        except (OSError, UnicodeDecodeError, Unobservable):
            return None  # The run will say what is wrong with it.
        return Document((*document.operations, *known), document.data)


def _walk(start: Any, path: str) -> Iterator[Any]:
    """Every value at a path of names: through each entry of lists and each value of mappings; what is not given has none.

    A name after a question mark keeps those of which that is true.
    """
    found = [start]
    for name in path.split("."):
        if name.startswith("?"):
            found = [one for one in found if getattr(one, name[1:])]
            continue
        found = [value for one in found for value in _entries(getattr(one, name, None))]
    yield from found


def _entries(value: Any) -> Iterable[Any]:
    if value is None or value == "":
        return ()
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else (value,)


def _asked_for(api: Api | None) -> tuple[str, ...]:
    where = (api.openapi if api else None) or ""
    return (where,) if where.startswith(("/", "http://", "https://")) else ()


def _all_of(api: Api | None, known: tuple[Operation, ...] | None) -> tuple[str, ...]:
    if api is None:
        return ()
    left_out = f" but {len(api.excluded)} that are excluded" if api.excluded else ""
    count = f"all {len(known)} operations" if known else "every operation"
    forms = sum(bool(one.hidden) for one in api.operations.values())
    opened = f", {forms} of them after a GET of the form's page" if forms else ""
    return (f"{count} of {api.openapi or 'those that the target declares'}{left_out}{opened}",)


def _named(identity: str, known: Iterable[Operation]) -> str:
    one = next((each for each in known if each.id == identity), None)
    return f"{one.method} {one.path} ({identity})" if one else f"the operation {identity}"


def _joined(names: list[str]) -> str:
    if len(names) > _SHOWN:
        return f"{len(names)} identities ({', '.join(names[:_SHOWN])}, …)"
    return ", ".join(dict.fromkeys(names)) or "whoever the target names for it"
