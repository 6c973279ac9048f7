"""The targets of a fleet: its file expanded, each description put together and checked, with every mistake said at once."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from upheld import documents
from upheld.documents import Document, Suggestions, check, in_order, shorten
from upheld.errors import InputError, Mistake
from upheld.fleet.description import LONGEST_NAME, NAME, WAYS, FleetFile
from upheld.fleet.filling import Description, Within
from upheld.fleet.hosts import hosts_of
from upheld.fleet.policies import Known, Policies, Reading
from upheld.fleet.rows import rows_of, told_at
from upheld.probes.scope import fold
from upheld.target.load import check_target
from upheld.target.manners import Limits

MOST_TARGETS = 10_000
MOST_VALUES = 4_000_000
"""Values in the descriptions of all targets together."""

_NAMED = 3
"""So many targets are named with a mistake that they share."""


@dataclass(frozen=True)
class Member:
    """One target of a fleet, whose description is complete."""

    name: str
    place: str
    """The file, line and column that it comes from."""
    target: Mapping[str, Any]
    """Its description, as it would stand in a file of its own."""
    base: Path
    """The folder that paths in the description are relative to."""
    policy: Path
    claims: tuple[str, ...]
    """Only these claims; all of the policy where there are none."""
    waivers: Path | None
    hosts: frozenset[str]
    """Every host that it lets upheld send something to, in lower case. Its database, backup store and machines are hosts too,
    each under a name of its own; `upheld.fleet.hosts.limited_as` tells which limits are theirs."""
    digest: str = ""
    """Over the description, the policy with its files, the claims and the waivers."""


@dataclass(frozen=True)
class Fleet:
    """A fleet's file, expanded."""

    name: str
    file: Path
    digest: str
    """Over the file and all that it took in."""
    members: tuple[Member, ...]
    at_once: int | None = None
    limits: Limits | None = None


def load_fleet(path: Path, reading: Reading | None = None) -> Fleet:
    """The fleet that the file describes, with all its targets; raises InputError with every mistake of all files.

    Nothing is resolved or contacted, and no secret is read. `reading` reads policies (by default from their files).
    """
    loader = _Loader(path, reading or Policies())
    fleet = loader.fleet()
    mistakes = loader.told()
    if fleet is None or mistakes:
        raise InputError(in_order(mistakes, [str(path)]))
    return fleet


@dataclass(frozen=True, slots=True)
class _Rest:
    """What an entry says besides of all its targets."""

    policy: Path
    known: Known
    claims: tuple[str, ...] = ()
    waivers: Path | None = None
    waived: str = ""
    """The digest of the waivers."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One target while the fleet is being loaded: what it is called and where that stands, and what it is made of."""

    name: object
    named: Within
    description: Description
    base: Path


class _Loader:
    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []
        self._reading = reading
        self._shared: dict[Mistake, tuple[str, list[str]]] = {}
        self._policies: dict[Path, Known | None] = {}
        self._documents: dict[Path, Document | None] = {}
        self._digests: dict[str, str] = {}
        self._suggestions = Suggestions()
        self._values = 0
        self._sizes: dict[int, int] = {}

    def told(self) -> list[Mistake]:
        """Every mistake; one that several targets share is said once, with the names of some of them."""
        shared = []
        for mistake, (got, names) in self._shared.items():
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            whose = f"in the {'target' if len(names) == 1 else 'targets'} {', '.join(names[:_NAMED])}{more}"
            shared.append(replace(mistake, message=f"{mistake.message} ({whose})", got=got))
        return [*self.mistakes, *shared]

    def fleet(self) -> Fleet | None:
        """The fleet, or None; what is wrong with it is among the mistakes."""
        document = documents.load(self.path)
        model, self.mistakes = check(document, FleetFile)
        data = document.data if isinstance(document.data, dict) else {}
        listed = data.get("targets")
        if listed == []:
            message = "the fleet has no targets"
            self.mistakes.append(document.mistake(("targets",), message, expected="at least one target"))
        found: list[_Found] = []
        members: list[tuple[_Found, Member]] = []
        for index, entry in enumerate(listed if isinstance(listed, list) else []):
            if not isinstance(entry, dict):
                continue
            part = Within(document, ("targets", index))
            rest = self._rest(part, entry, Within(document, ("policy",)) if data.get("policy") is not None else None)
            for one in self._expanded(part, entry):
                if len(found) == MOST_TARGETS:
                    message = "the fleet has too many targets"
                    self.mistakes.append(part.mistake((), message, expected=f"at most {MOST_TARGETS:,}"))
                    return None
                found.append(one)
                member = self._member(one, rest)
                if member is not None:
                    members.append((one, member))
        self._names(found)
        self._twins(members)
        if model is None or self.mistakes or self._shared:
            return None
        complete = tuple(member for _, member in members)
        if model.limits is not None:
            self._limited(document, model.limits, complete)
        # By names from the fleet's folder on, so that it is the same from wherever the command is given.
        taken = {os.path.relpath(name, self.path.parent): digest for name, digest in self._digests.items()}
        whole = json.dumps([document.digest, taken, [one.digest for one in complete]], sort_keys=True)
        digest = hashlib.sha256(whole.encode()).hexdigest()
        return Fleet(model.name, self.path, digest, complete, model.at_once, model.limits)

    # --- expansion -------------------------------------------------------------------------------------------------

    def _expanded(self, part: Within, entry: Mapping[str, Any]) -> Iterator[_Found]:
        ways = [way for way in WAYS if entry.get(way) is not None]
        if len(ways) != 1:
            message = "the entry names no target" if not ways else f"the entry has both {ways[0]!r} and {ways[1]!r}"
            self.mistakes.append(part.mistake((), message, expected=f"one of {', '.join(WAYS)}"))
            return
        way, given = ways[0], entry[ways[0]]
        for key, needed in (("name", "file"), ("with", "template")):
            if entry.get(key) is not None and way != needed:
                message = f"{key!r} has no meaning beside {way!r}"
                self.mistakes.append(part.mistake((key,), message, key=True, expected=f"it beside {needed!r} only"))
        if not isinstance(given, str) or not given.strip():
            return
        overlay = Within(part.document, (*part.at, "overlay")) if isinstance(entry.get("overlay"), dict) else None
        named = Within(part.document, (*part.at, way))
        if way == "template":
            yield from self._from_template(part, entry, named, overlay)
            return
        paths = [self.path.parent / given] if way == "file" else self._matching(named, given)
        for path in paths:
            document = self._read(path, named)
            if document is not None and self._room(part, document, overlay):
                name, place = path.stem, named
                if way == "file" and isinstance(entry.get("name"), str):
                    name, place = entry["name"], Within(part.document, (*part.at, "name"))
                yield _Found(name, place, Description(document, overlay), path.resolve().parent)

    def _matching(self, named: Within, pattern: str) -> list[Path]:
        try:
            names = sorted(glob.glob(pattern, root_dir=self.path.parent, recursive=True))  # noqa: PTH207  (which takes absolute ones too)
        except (OSError, ValueError, re.error) as error:
            self.mistakes.append(
                named.mistake((), f"the pattern cannot be followed: {error}", expected="a pattern of files")
            )
            return []
        files = [path for one in names if (path := self.path.parent / one).is_file()]
        if not files:
            message = "the pattern matches no file"
            self.mistakes.append(
                named.mistake((), message, got=shorten(pattern), expected="at least one description of a target")
            )
        return files

    def _from_template(
        self, part: Within, entry: Mapping[str, Any], named: Within, overlay: Within | None
    ) -> Iterator[_Found]:
        path = self.path.parent / named.data
        template = self._read(path, named)
        given = Within(part.document, (*part.at, "with"))
        if entry.get("with") is None:
            self.mistakes.append(
                part.mistake((), "'with' is missing", expected="the parameters of each target of the template")
            )
            return
        rows, mistakes, digest = rows_of(given, self.path.parent)
        self.mistakes += mistakes
        if digest:
            self._digests[str(self.path.parent / given.data)] = digest
        if template is None:
            return
        for row in rows:
            if self._room(part, template, overlay):
                named = Within(row.part.document, (*row.part.at, "name"))
                yield _Found(row.values["name"], named, Description(template, overlay, row), path.resolve().parent)

    def _room(self, part: Within, document: Document, overlay: Within | None) -> bool:
        """Whether there is room for one more description; where there is not, that is a mistake."""
        if self._values > MOST_VALUES:
            return False
        self._values += self._size(document.data) + (self._size(overlay.data) if overlay is not None else 0)
        if self._values > MOST_VALUES:
            message = "the descriptions of the fleet hold too many values"
            self.mistakes.append(part.mistake((), message, expected=f"at most {MOST_VALUES:,}"))
        return self._values <= MOST_VALUES

    def _size(self, data: Any) -> int:
        """How many values it holds, aliases expanded."""
        known = self._sizes.get(id(data))
        if known is None:
            known = self._sizes[id(data)] = 1 + sum(
                self._size(one) if isinstance(one, dict | list) else 1
                for one in (data.values() if isinstance(data, dict) else data)
            )
        return known

    def _read(self, path: Path, named: Within) -> Document | None:
        """The document in a file that is named there, read once; None, and the mistakes, when it cannot be."""
        if path not in self._documents:
            self._documents[path] = None
            try:
                document = documents.load(path)
            except InputError as error:
                self.mistakes += [told_at(named, one) for one in error.mistakes]
            else:
                if isinstance(document.data, dict):
                    self._documents[path] = document
                    self._digests[str(path)] = document.digest
                else:
                    message = "the description is no mapping"
                    self.mistakes.append(
                        document.mistake((), message, got=shorten(document.data), expected="a mapping")
                    )
        return self._documents[path]

    def _rest(self, part: Within, entry: Mapping[str, Any], common: Within | None) -> _Rest | None:
        """What the entry says besides, or None when its policy is wrong."""
        named = Within(part.document, (*part.at, "policy")) if entry.get("policy") is not None else common
        if named is None:
            message = "no policy is named"
            self.mistakes.append(part.mistake((), message, expected="'policy' here, or one for the whole fleet"))
            return None
        if not isinstance(named.data, str) or not named.data.strip():
            return None  # The model has said so.
        path = self.path.parent / named.data
        if path not in self._policies:
            self._policies[path] = None
            try:
                self._policies[path] = read = self._reading.policy(path)
            except InputError as error:
                self.mistakes += [told_at(named, one) for one in error.mistakes]
            else:
                self._digests[str(path)] = read.digest
        known = self._policies[path]
        if known is None:
            return None
        claims = self._claims(part, entry.get("claims"), known)
        given = Within(part.document, (*part.at, "waivers"))
        if not isinstance(entry.get("waivers"), str):
            return _Rest(path.resolve(), known, claims)
        waivers = self.path.parent / given.data
        try:
            digest = self._reading.waivers(waivers, known)
        except InputError as error:
            self.mistakes += [told_at(given, one) for one in error.mistakes]
            return None
        self._digests[str(waivers)] = digest
        return _Rest(path.resolve(), known, claims, waivers.resolve(), digest)

    def _claims(self, part: Within, listed: object, known: Known) -> tuple[str, ...]:
        names = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
        if listed == []:
            self.mistakes.append(
                part.mistake(("claims",), "no claim is named", expected="at least one, or no 'claims'")
            )
        for index, name in enumerate(names if isinstance(listed, list) and len(names) == len(listed) else []):
            if name not in known.checks_of:
                message = f"the policy has no claim {shorten(name)}"
                near = self._suggestions.nearest(name, known.checks_of)
                expected = "" if near else "the id of a claim"
                self.mistakes.append(part.mistake(("claims", index), message, expected=expected, nearest=near))
        return tuple(dict.fromkeys(names))

    # --- each target -----------------------------------------------------------------------------------------------

    def _member(self, found: _Found, rest: _Rest | None) -> Member | None:
        description = found.description
        target, wrong = check_target(description, rest.known.names if rest is not None else None)
        told = [one for one in wrong if (one.file, one.line, one.column) not in description.unfilled]
        for mistake in (*description.wrong, *told):
            shown = found.name if _is_name(found.name) else shorten(found.name)
            _, names = self._shared.setdefault(replace(mistake, got=""), (mistake.got, []))
            names.append(str(shown))
        if target is None or wrong or description.wrong or rest is None or not _is_name(found.name):
            return None
        whole = json.dumps([description.data, rest.known.digest, rest.claims, rest.waived], sort_keys=True)
        return Member(
            name=str(found.name),
            place=found.named.where,
            target=description.data,
            base=found.base,
            policy=rest.policy,
            claims=rest.claims,
            waivers=rest.waivers,
            hosts=hosts_of(target),
            digest=hashlib.sha256(whole.encode()).hexdigest(),
        )

    def _names(self, found: list[_Found]) -> None:
        """Names must be such that folders can be called so, on file systems too that know no capitals."""
        seen: dict[str, _Found] = {}
        for one in found:
            if not _is_name(one.name):
                message = "the name is not valid: a folder will be called so"
                expected = f"letters, digits, '.', '_' and '-', at most {LONGEST_NAME}"
                self.mistakes.append(one.named.mistake((), message, got=shorten(one.name), expected=expected))
                continue
            first = seen.setdefault(str(one.name).lower(), one)
            if first is not one:
                message = f"two targets are called {shorten(one.name)}: the first is at {first.named.where}"
                self.mistakes.append(one.named.mistake((), message, expected="a name of its own"))

    def _twins(self, members: list[tuple[_Found, Member]]) -> None:
        """The same description under two names would be audited twice, and what it is sent counted as if it were two."""
        seen: dict[tuple[str, Path], Member] = {}
        for found, member in members:
            first = seen.setdefault((member.digest, member.base), member)
            if first is not member:
                message = f"the target {member.name!r} is the same as {first.name!r}, which is at {first.place}"
                self.mistakes.append(found.named.mistake((), message, expected="each target once"))

    def _limited(self, document: Document, limits: Limits, members: Iterable[Member]) -> None:
        """Hosts that are given limits, and that nothing is sent to: the host that was meant would be sent too much."""
        known = {host for member in members for host in member.hosts}
        for name in limits.hosts:
            if fold(name) not in known:
                message, near = f"no target names the host {shorten(name)}", self._suggestions.nearest(name, known)
                expected = "" if near else "the host of a target"
                place = ("limits", "hosts", name)
                self.mistakes.append(document.mistake(place, message, key=True, expected=expected, nearest=near))


def _is_name(name: object) -> bool:
    return isinstance(name, str) and len(name) <= LONGEST_NAME and re.fullmatch(NAME, name) is not None
