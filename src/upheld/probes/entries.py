"""The entries of a register, under upheld's names of their fields; what is of the wrong kind cannot be judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from upheld.errors import Unobservable
from upheld.model import Plain

T = TypeVar("T")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a register or a part of one. `where` names it for findings; `values` are plain values by upheld's field names."""

    where: str
    values: Mapping[str, Plain]

    def __str__(self) -> str:
        """Its name."""
        return self.where

    def text(self, field: str) -> str:
        """The text of a field without surrounding white space, empty when there is none; raises Unobservable for anything else."""
        value = self._at(field)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Unobservable(f"{self.where}: {field} is no text")
        return str(value).strip()

    def texts(self, field: str) -> tuple[str, ...]:
        """The texts of a field: of a list, or the one text that it is."""
        value = self._at(field)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value.strip(),) if value.strip() else ()
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise Unobservable(f"{self.where}: {field} is no list of texts")
        return tuple(str(one).strip() for one in value)

    def flag(self, field: str) -> bool:
        """Whether a field is true; raises Unobservable where it is neither true nor false, or not there."""
        value = self._at(field)
        if not isinstance(value, bool):
            raise Unobservable(f"{self.where}: {field} is neither true nor false")
        return value

    def day(self, field: str, zone: tzinfo) -> date | None:
        """The day that a field names, of an instant that of `zone`; None when it is empty."""
        text = self.text(field)
        if _DAY.fullmatch(text):
            return _parsed(self, field, date.fromisoformat)
        moment = self.moment(field)
        return moment.astimezone(zone).date() if moment else None

    def moment(self, field: str) -> datetime | None:
        """The instant that a field names; None when it is empty, Unobservable without an offset: nobody can tell when that was."""
        if not self.text(field):
            return None
        moment = _parsed(self, field, datetime.fromisoformat)
        if moment.tzinfo is None:
            raise Unobservable(f"{self.where}: {field} is no instant with a time and an offset from UTC")
        return moment

    def part(self, field: str) -> Entry | None:
        """The part that a field is; None when it is empty."""
        value = self._at(field)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Unobservable(f"{self.where}: {field} is no mapping")
        return Entry(f"{self.where}, {field.replace('_', ' ')}", value)

    def parts(self, field: str, what: str) -> tuple[Entry, ...]:
        """The parts in the list that a field is, named `what` with their identifier or number."""
        value = self._at(field)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
            raise Unobservable(f"{self.where}: {field} is no list of mappings")
        parts = cast("list[Mapping[str, Plain]]", value)
        return tuple(
            Entry(f"{self.where}, {what} {one.get('id') or number}", one) for number, one in enumerate(parts, 1)
        )

    def _at(self, field: str) -> Plain:
        return self.values.get(field)


def _parsed(entry: Entry, field: str, read: Callable[[str], T]) -> T:
    try:
        return read(entry.text(field))
    except ValueError:
        raise Unobservable(f"{entry.where}: {field} is no date or instant (RFC 3339)") from None


def zone_of(name: str) -> tzinfo:
    """The time zone of that name (IANA); raises Unobservable where it is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unobservable(f"the time zone {name!r} is not known here (is the package tzdata installed?)") from None


def renamed(entry: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """`entry` with the company's field names replaced: ours are the keys of `fields`, `part.field` for those of a part."""
    result = dict(entry)
    deeper: dict[str, dict[str, str]] = {}
    for ours, theirs in fields.items():
        first, dot, rest = ours.partition(".")
        if dot:
            deeper.setdefault(first, {})[rest] = theirs
        else:
            result[ours] = entry.get(theirs)
    for part, inner in deeper.items():
        value = result.get(part)
        if isinstance(value, list):
            result[part] = [renamed(one, inner) if isinstance(one, Mapping) else one for one in value]
        elif isinstance(value, Mapping):
            result[part] = renamed(value, inner)
        elif value is None:
            # The company keeps the part's fields in the entry itself.
            found = {ours: entry[theirs] for ours, theirs in inner.items() if entry.get(theirs) is not None}
            result[part] = found or None
    return result
