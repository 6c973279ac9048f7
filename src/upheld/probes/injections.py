"""Injections: texts that mean something to an interpreter behind the API, and how it would show that it took them for its own.

They come from a file that says where they are from. What counts as an effect is never a word of a message: it is a product
of fresh numbers, two fresh words that were apart when they were sent, a header field that was sent as text, the contents of
a file, or two answers that differ only because a condition inside the text is right or wrong.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from upheld.errors import Unobservable
from upheld.inputs import FOLDER
from upheld.probes.api_requests import Request, json_of, put
from upheld.probes.odd_input import takes_text, with_body, with_parameter

if TYPE_CHECKING:
    from upheld.probes.api import Case, Reply
    from upheld.probes.schemas import Schemas

_FILE = FOLDER / "injections.json"
_ROUNDS = 2
_BROKEN = 500


@dataclass(frozen=True, slots=True)
class Injection:
    """One injection: `pair` (two texts, `right` and `wrong`), `text` or `body`; `in_path` ones go into paths too."""

    kind: str
    family: str
    name: str
    text: str
    other: str = ""
    shows: str = ""
    pattern: str = ""
    header: str = ""
    media_type: str = ""
    in_path: bool = False

    def __str__(self) -> str:
        """`SQL, text in quotes`."""
        return f"{self.family}, {self.name}"


@dataclass(frozen=True, slots=True)
class Effect:
    """An injection that did something: where, which, what was sent, and what it did."""

    place: str
    injection: str
    sent: str
    effect: str

    def __str__(self) -> str:
        """`query name (SQL, text in quotes): a right and a wrong condition in the text give other answers`."""
        return f"{self.place} ({self.injection}): {self.effect}"


@dataclass(frozen=True, slots=True)
class Planned:
    """One injection for one place."""

    place: str
    injection: Injection


@dataclass(frozen=True, slots=True)
class _Sight:
    """An answer as it is compared: its status, the digest of what it shows apart from what was sent, its records."""

    status: int
    shown: str
    records: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one planned injection came to: how many requests it took, its effect, or why nothing was seen."""

    requests: int
    effect: Effect | None = None
    unanswered: str = ""


Show = Callable[[Request], "tuple[Reply, str, tuple[tuple[str, str], ...]]"]
"""Sends a request and gives the reply, all text that it shows, and the header fields of the answer."""


@cache
def injections() -> tuple[Injection, ...]:
    """Every injection of the data file."""
    data: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    in_path = set(data["path_texts"])
    return (
        *(Injection("pair", one["family"], one["name"], one["right"], one["wrong"]) for one in data["pairs"]),
        *(
            Injection(
                "text", one["family"], one["name"], one["text"], shows=one.get("shows", ""), pattern=one.get("pattern", ""),
                header=one.get("header", ""), in_path=one["name"] in in_path,
            )
            for one in data["texts"]
        ),
        *(
            Injection(
                "body", one["family"], one["name"], one["text"], shows=one.get("shows", ""), pattern=one.get("pattern", ""),
                media_type=one["media_type"],
            )
            for one in data["bodies"]
        ),
    )  # fmt: skip


@dataclass
class Probing:
    """Injections into one operation, beside a valid request of it."""

    case: Case
    valid: Request
    schemas: Schemas
    word: str
    show: Show
    sent: int = 0
    effects: list[Effect] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    @property
    def places(self) -> tuple[str, ...]:
        """Where something is injected: parameters that are sent as text, texts of the body, the body as a whole."""
        operation = self.case.operation
        found = [
            f"{one.where} {one.name}"
            for one in operation.parameters
            if one.where == "query" and self._text_in(one.name)
        ]
        if not self.case.deletes:
            found += [f"path {one.name}" for one in operation.path_parameters[-1:]]
        if operation.has_body and self.valid.content is not None:
            found += [f"body {one}" for one in self._texts_of_body()]
            found.append("body")
        return tuple(dict.fromkeys(found))

    def planned(self, several: Iterable[Injection]) -> list[Planned]:
        """Which injection goes where: conditions where nothing is changed, texts everywhere, documents as bodies."""
        found = []
        for place in self.places:
            where = place.partition(" ")[0]
            for one in several:
                body = one.kind == "body"
                if body != (place == "body"):
                    continue
                if one.kind == "pair" and (self.case.changes or (where == "path" and one.name != "text in quotes")):
                    continue
                if where == "path" and not (one.in_path or one.kind == "pair"):
                    continue
                found.append(Planned(place, one))
        return found

    def tried(self, planned: Planned) -> Outcome:
        """Send one planned injection and give what it came to."""
        try:
            return self._pair(planned) if planned.injection.kind == "pair" else self._text(planned)
        except Unobservable as unobservable:
            return Outcome(1, unanswered=f"{planned.place} ({planned.injection}): {unobservable.reason}")

    def note(self, outcome: Outcome) -> None:
        """Take in what one planned injection came to."""
        self.sent += outcome.requests
        if outcome.effect is not None:
            self.effects.append(outcome.effect)
        if outcome.unanswered:
            self.unanswered.append(outcome.unanswered)

    def _pair(self, planned: Planned) -> Outcome:
        """Two texts that differ in one digit, inside of a condition: whoever keeps texts as texts answers them alike."""
        one, filling = planned.injection, self._filling(planned.place)
        texts = (_filled(one.text, filling), _filled(one.other, filling))
        seen: list[tuple[_Sight, ...]] = []
        # Twice, so that an answer that is another one each time, or a neighbour who writes, is not taken for it.
        for _ in range(_ROUNDS):
            sights = []
            for text in texts:
                request = self._with(planned.place, text)
                if request is None:
                    return Outcome(len(seen))
                reply, shown, _ = self.show(request)
                if reply.status >= _BROKEN:
                    return Outcome(len(seen) + 1, self._effect(planned, text, f"answered {reply.status}"))
                sights.append(_Sight(reply.status, _without(shown, texts), reply.identifiers()))
            seen.append(tuple(sights))
            if sights[0] == sights[1]:
                return Outcome(2 * len(seen))
        stable = seen[0] == seen[1]
        known = all(
            (right.status, right.records) != (wrong.status, wrong.records) and (right.records, wrong.records) == (
                seen[0][0].records, seen[0][1].records)
            for right, wrong in seen
        )  # fmt: skip
        if not stable and not known:
            return Outcome(2 * _ROUNDS)
        told = "a right and a wrong condition in the text are answered differently"
        return Outcome(2 * _ROUNDS, self._effect(planned, texts[0], told))

    def _text(self, planned: Planned) -> Outcome:
        one = planned.injection
        filling = self._filling(planned.place)
        text = _filled(one.text, filling)
        request = self._with(planned.place, text, one.media_type)
        if request is None:
            return Outcome(0)
        reply, shown, headers = self.show(request)
        came = ""
        if reply.status >= _BROKEN:
            came = f"answered {reply.status}"
        elif one.media_type and reply.worked:
            came = f"answered {reply.status}, as if it were the JSON that the operation takes"
        if one.shows and _filled(one.shows, filling) in shown:
            came = f"it was evaluated: the answer has {_filled(one.shows, filling)} in it"
        elif one.pattern and re.search(one.pattern, shown):
            came = "the answer has the contents of the file in it"
        elif one.header and any(name == _filled(one.header, filling) for name, _ in headers):
            came = "the answer has the header field that was sent in the text"
        return Outcome(1, self._effect(planned, text, came) if came else None)

    def _filling(self, place: str) -> dict[str, str]:
        m, n = (secrets.randbelow(80_000) + 10_000 for _ in range(2))
        value = self.word
        if place.startswith("path "):
            name = place.partition(" ")[2]
            index = [one.name for one in self.case.operation.path_parameters].index(name)
            value = self.valid.sent[index] if index < len(self.valid.sent) else self.word
        return {
            "value": value,
            "a": f"a{secrets.token_hex(4)}",
            "b": f"b{secrets.token_hex(4)}",
            "m": str(m),
            "n": str(n),
            "product": str(m * n),
        }

    def _with(self, place: str, text: str, media_type: str = "") -> Request | None:
        where, _, name = place.partition(" ")
        if media_type:
            kept = tuple(one for one in self.valid.headers if one[0].lower() != "content-type")
            headers = (*kept, ("Content-Type", media_type))
            return Request(
                self.valid.method, self.valid.url, headers, text.encode(), self.valid.sent, self.valid.verify
            )
        if where == "body":
            return with_body(self.valid, put(json_of(self.valid), name, text))
        return with_parameter(self.case.operation, self.valid, where, name, text)

    def _effect(self, planned: Planned, text: str, effect: str) -> Effect:
        return Effect(planned.place, str(planned.injection), text[:200], effect)

    def _text_in(self, name: str) -> bool:
        leaf = self.schemas.leaf(self.schemas.parameter(self.case.operation, "query", name))
        return leaf.get("type") in {"string", None}

    def _texts_of_body(self) -> list[str]:
        """The paths of the properties that take any text."""
        found: list[str] = []
        waiting: list[tuple[str, Any, int]] = [("", self.schemas.body(self.case.operation), 0)]
        while waiting:
            path, schema, depth = waiting.pop(0)
            leaf = self.schemas.leaf(schema)
            for name, part in (leaf.get("properties") or {}).items() if depth < 4 else ():
                waiting.append((f"{path}.{name}".lstrip("."), part, depth + 1))
            if isinstance(leaf.get("items"), Mapping) and depth < 4:
                waiting.append((f"{path}[]", leaf["items"], depth + 1))
            if path and takes_text(leaf, self.schemas):
                found.append(path)
        return found


def _filled(text: str, filling: Mapping[str, str]) -> str:
    return re.sub("«([a-z]+)»", lambda match: filling[match[1]], text)


def _without(shown: str, texts: tuple[str, ...]) -> str:
    """The digest of what an answer shows apart from what was sent, which it may repeat in any common spelling."""
    for text in texts:
        for spelling in (
            text,
            json.dumps(text)[1:-1],
            html.escape(text),
            quote(text),
            quote(text, safe=""),
            quote_plus(text),
        ):
            shown = shown.replace(spelling, "")
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
