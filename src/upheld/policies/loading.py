"""Loading a policy: its file, what it extends and includes, the checks it names, and its waivers, all mistakes at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from upheld import documents
from upheld.catalogue import Catalogue
from upheld.documents import Document, Limits, Suggestions, in_order, shorten, validate
from upheld.errors import InputError, Mistake
from upheld.model import Override, Waiver
from upheld.policies.format import ClaimEntry, PolicyFile
from upheld.policies.model import Claim, Earlier, Policy, Retracted
from upheld.policies.promised import Promise, too_weak
from upheld.policies.uses import Use, Uses, named
from upheld.policies.waivers import FILE_NAME, load_waivers

MOST_FILES = 500
MOST_LEVELS = 50
_CIRCLE_SHOWN = 20
_PATH_SHOWN = 1_000


@dataclass(slots=True)
class _Source:
    """One policy file: its data, and its model when it is valid."""

    path: Path
    document: Document
    role: str
    model: PolicyFile | None = None


@dataclass(slots=True)
class _Entry:
    """One claim while the policy is being loaded."""

    source: _Source
    index: int
    id: str
    data: Mapping[str, Any]
    uses: list[Use]

    @property
    def retracted(self) -> bool:
        """Whether it is a tombstone."""
        return self.data.get("retracted") is not None

    @property
    def location(self) -> tuple[str, int]:
        return ("claims", self.index)


def load(path: Path, catalogue: Catalogue, *, today: date, waivers: Sequence[Path] = ()) -> Policy:
    """The policy in that file with all that it extends and includes; raises InputError with every mistake of all files.

    `today` decides which waivers have expired: one counts through the day that it names. `waivers` are further files of these.
    """
    loader = _Loader(catalogue)
    loader.gather(path)
    policy = loader.policy(path, today, waivers)
    if loader.mistakes or policy is None:
        raise InputError(in_order(loader.mistakes, loader.files))
    return policy


class _Loader:
    def __init__(self, catalogue: Catalogue) -> None:
        self.mistakes: list[Mistake] = []
        self.files: list[str] = []
        self.sources: list[_Source] = []
        self.complete = True
        """Whether every file could be read, so that what is not there really is not."""
        self._suggestions = Suggestions()
        self._catalogue = catalogue
        self._uses = Uses(catalogue, self.mistakes, self._suggestions)
        self._state: dict[Path, str] = {}

    # --- files -----------------------------------------------------------------------------------------------------

    def gather(
        self, path: Path, referrer: tuple[Document, tuple[str | int, ...]] | None = None, *, role: str = "root"
    ) -> None:
        """Read that file and those it names: first what it extends, then itself, then what it includes; each once."""
        identity = _identity(path)
        state = self._state.get(identity)
        if state == "open" and referrer is not None:
            document, at = referrer
            message = f"the files refer to each other in a circle: {_shown(path)}"
            self.mistakes.append(document.mistake(at, message, expected="a file that does not lead back here"))
        if state is not None:
            return
        levels = sum(state == "open" for state in self._state.values())
        if len(self._state) >= MOST_FILES or levels >= MOST_LEVELS:
            message = f"too many files: {_shown(path)}"
            self._refuse(referrer, path, message, expected=f"at most {MOST_FILES}, nested at most {MOST_LEVELS} deep")
            return
        self._state[identity] = "open"
        self.files.append(str(path))
        try:
            document = documents.load(path, Limits(size=16 * 1024 * 1024))
        except InputError as error:
            self.complete = False
            for mistake in error.mistakes:
                if mistake.line == 0 and referrer is not None:
                    self._refuse(
                        referrer,
                        path,
                        f"{_shown(path)}: {mistake.message}",
                        expected=mistake.expected,
                        nearest=mistake.nearest,
                    )
                else:
                    self.mistakes.append(mistake)
        else:
            self._read(_Source(path, document, role))
        self._state[identity] = "done"

    def _refuse(
        self,
        referrer: tuple[Document, tuple[str | int, ...]] | None,
        path: Path,
        message: str,
        *,
        expected: str = "",
        nearest: str = "",
    ) -> None:
        self.complete = False
        if referrer is None:
            self.mistakes.append(Mistake(str(path), 0, 0, message, expected=expected, nearest=nearest))
        else:
            document, at = referrer
            self.mistakes.append(document.mistake(at, message, expected=expected, nearest=nearest))

    def _read(self, source: _Source) -> None:
        document = source.document
        try:
            source.model = validate(document, PolicyFile)
        except InputError as error:
            self.mistakes.extend(error.mistakes)
        data = document.data if isinstance(document.data, dict) else {}
        if source.role == "include":
            for key in ("extends", "override", "waivers", "gate"):
                if key in data:
                    message = f"an included file has no {key!r}"
                    self.mistakes.append(
                        document.mistake((key,), message, key=True, expected="claims, no_promise and include")
                    )
        else:
            for at, name in _paths(data, "extends"):
                self.gather(source.path.parent / name, (document, at), role="base")
            if "override" in data and "extends" not in data:
                message = "there is nothing to override"
                self.mistakes.append(
                    document.mistake(("override",), message, key=True, expected="a policy that extends another")
                )
        if isinstance(document.data, dict):
            self.sources.append(source)
        for at, name in _paths(data, "include"):
            self.gather(source.path.parent / name, (document, at), role="include")

    # --- claims ----------------------------------------------------------------------------------------------------

    def policy(self, path: Path, today: date, further: Sequence[Path] = ()) -> Policy | None:
        """What the files gathered come to; None when something is wrong."""
        entries = list(self._entries())
        by_id = self._identities(entries)
        self._check_decided_by(entries, by_id)
        standing = {one: entry for one, entry in by_id.items() if not entry.retracted}
        names_of = {one: named(entry.data.get("checks")) for one, entry in standing.items()} if self.complete else None
        overrides = self._overrides({one: entry.uses for one, entry in by_id.items()}, names_of)
        no_promise = self._no_promise(entries)
        root = next((source for source in self.sources if source.path == path), None)
        if not self.mistakes:
            promises = {one: _promise(entry) for one, entry in standing.items()}
            self.mistakes.extend(too_weak(promises, self._catalogue))
        own = self._waivers_path(path, root)
        waivers: tuple[Waiver, ...] = ()
        for file in (*([own] if own else []), *further):
            waivers += self._waivers(file, names_of, today, waivers)
        heads = [source for source in reversed(self.sources) if source.role != "include"]
        name = next((head.model.name for head in heads if head.model and head.model.name), "")
        if root is not None and root.model and not name and self.complete:
            self.mistakes.append(root.document.mistake((), "'name' is missing", expected="a value for 'name'"))
        if root is not None and all(entry.retracted for entry in entries) and self.complete:
            self.mistakes.append(
                root.document.mistake(("claims",), "the policy has no claims", expected="at least one claim")
            )
        if self.mistakes or root is None:
            return None
        publication = next((head.model.publication for head in heads if head.model and head.model.publication), None)
        gate = next((head.model.gate for head in heads if head.model and head.model.gate), None)
        return Policy(
            name=name,
            file=str(path),
            digest=hashlib.sha256("\n".join(source.document.digest for source in self.sources).encode()).hexdigest(),
            claims=tuple(_finished(entry) for entry in entries if not entry.retracted),
            no_promise=no_promise,
            overrides=overrides,
            waivers=waivers,
            publication=publication.model_dump(exclude_defaults=True) if publication else None,
            files=tuple(source.document.file for source in self.sources),
            retracted=tuple(_tombstone(entry) for entry in entries if entry.retracted),
            deployed_from=gate.deployed_from if gate else None,
        )

    def _entries(self) -> Iterator[_Entry]:
        for source in self.sources:
            listed = source.document.data.get("claims")
            for index, data in enumerate(listed if isinstance(listed, list) else []):
                if isinstance(data, dict):
                    # What once decided a tombstone may be gone itself.
                    checks = data.get("checks", []) if data.get("retracted") is None else []
                    uses = self._uses.read(source.document, ("claims", index, "checks"), checks)
                    identity = data.get("id")
                    yield _Entry(source, index, identity if isinstance(identity, str) else "", data, uses)

    def _identities(self, entries: list[_Entry]) -> dict[str, _Entry]:
        by_id: dict[str, _Entry] = {}
        for entry in entries:
            first = by_id.setdefault(entry.id, entry) if entry.id else entry
            if first is not entry:
                line, column = first.source.document.place((*first.location, "id"))
                message = f"two claims are called {shorten(entry.id)}: the first is at {first.source.document.file}:{line}:{column}"
                at = (*entry.location, "id")
                self.mistakes.append(entry.source.document.mistake(at, message, expected="a name of its own"))
        return by_id

    def _check_decided_by(self, entries: list[_Entry], by_id: Mapping[str, _Entry]) -> None:
        for entry in entries:
            seen: set[str] = set()
            for index, name in _texts(entry.data.get("decided_by")):
                at = (*entry.location, "decided_by", index)
                document = entry.source.document
                if name not in by_id and self.complete:
                    message = f"decided_by names no claim: {shorten(name)}"
                    close = self._suggestions.nearest(name, by_id)
                    expected = "" if close else "the id of a claim"
                    self.mistakes.append(document.mistake(at, message, expected=expected, nearest=close))
                if name in by_id and by_id[name].retracted and not entry.retracted:
                    message = f"decided_by names a claim that is retracted: {shorten(name)}"
                    expected = "a claim that still stands, or the checks themselves"
                    self.mistakes.append(document.mistake(at, message, expected=expected))
                if name in seen:
                    self.mistakes.append(
                        document.mistake(at, f"decided_by names {shorten(name)} twice", expected="each claim once")
                    )
                seen.add(name)
        for circle in _circles(
            {one: [name for _, name in _texts(e.data.get("decided_by"))] for one, e in by_id.items()}
        ):
            entry = by_id[circle[0]]
            shown = [*circle, circle[0]]
            if len(shown) > _CIRCLE_SHOWN:
                shown[6:-3] = [f"({len(shown) - 9} more)"]
            message = f"claims decide each other in a circle: {' -> '.join(shown)}"
            expected = "claims that this one does not decide in turn"
            self.mistakes.append(
                entry.source.document.mistake((*entry.location, "decided_by"), message, expected=expected)
            )

    def _overrides(
        self, uses_of: Mapping[str, list[Use]], names_of: Mapping[str, set[str]] | None
    ) -> tuple[Override, ...]:
        made = [one for source in self.sources for one in self._uses.override(source.document, uses_of, names_of)]
        if made:
            for uses in uses_of.values():
                self._uses.refuse_twins(uses)  # What has been said before is said once in the end.
        return tuple(made)

    def _no_promise(self, entries: list[_Entry]) -> tuple[tuple[str, str], ...]:
        carried: dict[str, str] = {}
        for entry in entries:
            if entry.retracted:
                continue
            sentences = entry.data.get("sentences")
            if not sentences and entry.data.get("origin") != "policy":
                sentences = [entry.data.get("statement")]
            for _, carrying in _texts(sentences):
                carried.setdefault(carrying, entry.id)
        listed: dict[str, str] = {}
        for source in self.sources:
            items = source.document.data.get("no_promise")
            for index, item in enumerate(items if isinstance(items, list) else []):
                sentence = item.get("sentence") if isinstance(item, dict) else None
                if not isinstance(sentence, str):
                    continue
                at = ("no_promise", index, "sentence")
                if sentence in carried:
                    message = f"the sentence is said to promise nothing, and the claim {carried[sentence]} carries it"
                    expected = "it in one place: a claim, or no_promise"
                    self.mistakes.append(source.document.mistake(at, message, got=shorten(sentence), expected=expected))
                if sentence in listed:
                    self.mistakes.append(
                        source.document.mistake(
                            at, "the sentence is listed twice", got=shorten(sentence), expected="each sentence once"
                        )
                    )
                listed[sentence] = str(item.get("why"))
        return tuple(listed.items())

    def _waivers(
        self, path: Path, checks_of: Mapping[str, set[str]] | None, today: date, given: tuple[Waiver, ...]
    ) -> tuple[Waiver, ...]:
        try:
            return load_waivers(path, checks_of, today=today, suggestions=self._suggestions, given=given)
        except InputError as error:
            self.mistakes.extend(error.mistakes)
            return ()

    def _waivers_path(self, path: Path, root: _Source | None) -> Path | None:
        named = root.document.data.get("waivers") if root else None
        if isinstance(named, str):
            return path.parent / named
        beside = path.parent / FILE_NAME
        try:
            return beside if beside.exists() or beside.is_symlink() else None
        except (OSError, ValueError):
            return None


def _shown(path: Path) -> str:
    """The path as a mistake shows it: whole, unless no file system would have it."""
    text = str(path)
    return text if len(text) <= _PATH_SHOWN else f"{text[:200]}… ({len(text):,} characters)"


def _identity(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # A name that no file can have; reading it gives the mistake.
        return path


def _paths(data: Mapping[str, Any], key: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    value = data.get(key)
    if isinstance(value, str):
        yield (key,), value
    else:
        yield from (((key, index), name) for index, name in _texts(value))


def _texts(value: object) -> list[tuple[int, str]]:
    return [(index, one) for index, one in enumerate(value) if isinstance(one, str)] if isinstance(value, list) else []


def _circles(graph: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """The circles that a walk through the graph meets, each from where it was entered; without recursion."""
    done: set[str] = set()
    for start in graph:
        path: list[str] = []
        on_path: dict[str, int] = {}
        stack = [(start, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                path.pop()
                del on_path[node]
                done.add(node)
            elif node in on_path:
                yield path[on_path[node] :]
            elif node not in done and node in graph:
                on_path[node] = len(path)
                path.append(node)
                stack.append((node, True))
                stack.extend((following, False) for following in reversed(graph[node]))


def _promise(entry: _Entry) -> Promise:
    """What a claim says, and what decides it; the file's model has been found valid."""
    data = entry.data
    words = " ".join(dict.fromkeys([data["statement"], *(text for _, text in _texts(data.get("sentences")))]))
    deciders = [name for _, name in _texts(data.get("decided_by"))]
    return Promise(words, entry.source.document, entry.location, entry.uses, deciders)


def _finished(entry: _Entry) -> Claim:
    assert entry.source.model is not None  # Without mistakes every file has a model.  # noqa: S101
    model: ClaimEntry = entry.source.model.claims[entry.index]
    document = entry.source.document
    references = model.references
    return Claim(
        id=model.id,
        statement=model.statement,
        sentences=model.sentences or (() if model.origin == "policy" else (model.statement,)),
        section=model.section,
        severity=model.severity,
        owner=model.owner,
        references={
            name: points for name in ("soc2", "iso27001", "popia", "gdpr") if (points := getattr(references, name))
        },
        origin=model.origin,
        gated=model.gated,
        note=model.note,
        decided_by=model.decided_by,
        accept_attested=model.accept_attested,
        uses=tuple(use.finished() for use in entry.uses),
        previously=_history(model),
        file=document.file,
        line=document.place(entry.location)[0],
    )


def _tombstone(entry: _Entry) -> Retracted:
    assert entry.source.model is not None  # Without mistakes every file has a model.  # noqa: S101
    model: ClaimEntry = entry.source.model.claims[entry.index]
    assert model.retracted is not None  # noqa: S101  (what makes it a tombstone)
    return Retracted(
        model.id, model.statement, model.sentences, model.retracted.day, model.retracted.why, _history(model)
    )


def _history(model: ClaimEntry) -> tuple[Earlier, ...]:
    return tuple(Earlier(one.until, one.statement, one.sentences, one.why) for one in model.previously)
