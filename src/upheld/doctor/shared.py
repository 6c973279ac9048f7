"""What trials share: things that are made once in a session, and saying in a few words what was seen."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence

from upheld.errors import Unobservable
from upheld.probes.base import Session

_KNOWN: weakref.WeakKeyDictionary[Session, dict[str, str | Unobservable]] = weakref.WeakKeyDictionary()


def once(session: Session, what: str, call: Callable[[], str]) -> Callable[[], str]:
    """`call`, made once for all probes of a session that stand on the same thing."""

    def made() -> str:
        known = _KNOWN.setdefault(session, {})
        if what not in known:
            try:
                known[what] = call()
            except Unobservable as error:
                known[what] = error
        found = known[what]
        if isinstance(found, Unobservable):
            raise found
        return found

    return made


def count(found: Sequence[object], one: str, many: str = "") -> str:
    """`3 roles`, `1 role`."""
    return f"{len(found)} {one if len(found) == 1 else many or f'{one}s'}"


def counted(call: Callable[[], Sequence[object]], one: str, many: str = "") -> Callable[[], str]:
    """A call that says how many there are of what `call` gives."""
    return lambda: count(call(), one, many)


def seen(look: Callable[..., object], *arguments: object) -> str:
    """That a look came back, for one whose value would say no more."""
    look(*arguments)
    return "seen"
