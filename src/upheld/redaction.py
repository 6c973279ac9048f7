"""The one place where secrets are taken out of what is stored, logged or shown, and put into what is sent.

Every value that a probe returns passes through a `Redactor` before the check, the record or a reader sees it. A known
secret becomes a placeholder that is the same wherever it occurs, so that a check over the redacted text judges as it
would over the text itself; what merely looks like a secret becomes a placeholder too.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import html
import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from enum import Enum
from functools import cached_property, lru_cache
from pathlib import PurePath
from typing import Any, cast
from urllib.parse import quote, quote_plus
from weakref import WeakSet

from ahocorasick_rs import BytesAhoCorasick, Implementation
from pydantic import BaseModel

from upheld.lookalikes import SECRET_HEADERS, SECRET_KEYS, Span, is_secret, is_words, lookalikes

SHORTEST = 4
"""Known secrets shorter than this many characters are refused: replacing them would corrupt every text."""

_SHORT = 64
_REMEMBERED = 50_000
"""How many short texts without secrets are remembered: names of headers, statuses and paths come again and again."""

_LONG = 16 * 1024
_LONGER = 2 * _LONG
_LATELY = 32
"""How many of the last longer texts are remembered: an answer is looked at for canaries, and then kept."""

_PLACEHOLDER = re.compile(r"\[redacted:[^\[\]]*\]")
# What is no secret although it stands where one should: a mask, a variable, a place to fill in, a hash as its scheme writes it.
_MASKED = re.compile(
    r"\[(?i:redacted)|\[[A-Za-z .:_-]*\]?$|\*+$|-+(?i:redacted)|[xX]{4,}$|<[A-Za-z .:_-]*>?$|\{\{?[\w .:-]*\}{0,2}$"
    r"|\$\{|\$\(|\$[A-Z_][A-Z0-9_]*$|\$[a-z_]+$|\$[a-z0-9-]+\$|%[sdr]$|%\(\w+\)s$"
)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# Around a number in JSON, which may be text within JSON, where line ends are escapes.
_BEHIND_NUMBER = re.compile(r"(?:\s|\\+[nrt])*(?:[,}\]]|$)")
_NAMED = re.compile(r"""(\\*)["']\s*:\s*$""")
_ITEM = re.compile(r"[\[,](?:\s|\\+[nrt])*$")

_SCALARS = frozenset({int, bool, float, type(None)})
_HARMLESS = (int, float, Enum, date, time, timedelta)
_LARGE = 10**12
"""Whole numbers from here on may be those of persons."""
_LONG_NUMBER = 8
"""Digits of a known secret from which on a number is taken for it: shorter ones are sizes and counts of something else too."""


_LIVING: WeakSet[Redactor] = WeakSet()


class _Table:
    """The spellings of known secrets by their folded form, and which folded forms begin with the same few characters."""

    def __init__(self, forms: dict[str, tuple[str, ...]], starts: dict[str, tuple[str, ...]]) -> None:
        self.forms = forms
        self.starts = starts

    @cached_property
    def _automaton(self) -> BytesAhoCorasick:
        patterns = [spelling.encode("utf-8", "surrogatepass") for spelling in self.forms]
        return BytesAhoCorasick(patterns, implementation=Implementation.NoncontiguousNFA)

    def present(self, folded: str) -> list[str]:
        """The spellings that a folded text holds."""
        if len(folded) > _LONGER and self.forms:
            # Made anew after each new secret, an automaton is not worth it for a shorter text.
            encoded = folded.encode("utf-8", "surrogatepass")
            found = {index for index, _, _ in self._automaton.find_matches_as_indexes(encoded, overlapping=True)}
            return [form for index, forms in enumerate(self.forms.values()) if index in found for form in forms]
        if len(folded) > 4 * len(self.forms):
            return [form for spelling, forms in self.forms.items() if spelling in folded for form in forms]
        # A short text has fewer places than there are secrets in a run that plants hundreds of canaries.
        places = {folded[place : place + SHORTEST] for place in range(len(folded) - SHORTEST + 1)}
        begun = [spelling for start in places & self.starts.keys() for spelling in self.starts[start]]
        return [form for spelling in begun if spelling in folded for form in self.forms[spelling]]


def clean(text: str) -> str:
    """`text` without what any redactor of this process knows, and without look-alikes: for the borders of the program."""
    for one in tuple(_LIVING):
        text = one.text(text)
    return text if _LIVING else Redactor().text(text)


class Redactor:
    """Knows the run's secrets; takes them out of values and puts canaries back into what is sent."""

    def __init__(self, key: bytes | None = None) -> None:
        """`key` makes placeholders of look-alikes equal across the workers of one run; it is never stored."""
        self._key = key or secrets.token_bytes(32)
        _LIVING.add(self)
        self._placeholders: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._table = _Table({}, {})
        self._odd = False
        self._numbers: set[int] = set()
        self._unnamed: dict[str, str] = {}
        self._clean: set[str] = set()
        self._lately: dict[str, str] = {}

    def add(self, value: str, label: str, *, until_named: bool = False) -> str:
        """Make `value` a known secret called `label`; gives its placeholder. Raises ValueError when it is too short.

        The first label that a secret gets is shown, but for one `until_named`, which counts until there is another.
        """
        if len(value) < SHORTEST:
            raise ValueError(f"the secret {label!r} is shorter than {SHORTEST} characters")
        placeholder = f"[redacted:{label}]"
        if self._values.get(placeholder) == value:
            return placeholder
        self._values[placeholder] = value
        if value.isascii() and value.isdigit() and len(value) >= _LONG_NUMBER and value == str(int(value)):
            self._numbers.add(int(value))
        self._odd = self._odd or _PLACEHOLDER.fullmatch(placeholder) is None
        # Other threads may be reading: they see the table before or the table after, and never one that changes under them.
        table = _Table(dict(self._table.forms), dict(self._table.starts))
        forms = _forms(value)
        named = self._unnamed.pop(value, None)
        if until_named and value not in self._placeholders:
            self._unnamed[value] = placeholder
        for form in forms:
            folded = form.casefold()
            if form not in self._placeholders:
                if folded not in table.forms:
                    table.starts[folded[:SHORTEST]] = (*table.starts.get(folded[:SHORTEST], ()), folded)
                table.forms[folded] = (*table.forms.get(folded, ()), form)
            for known, spelling in ((self._placeholders, form), (self._folded, folded)):
                if known.setdefault(spelling, placeholder) == named:
                    known[spelling] = placeholder
        # What had no secret in it has seldom one of the new one's spellings. Another thread may still be adding to the set that
        # was; what it adds was looked at by the table that was, and is forgotten with it.
        before = self._clean.copy()
        together = "\0".join(before).casefold()
        self._table = table
        self._clean = set() if any(form.casefold() in together for form in forms) else before
        self._lately = {}
        return placeholder

    def reveal(self, text: str) -> str:
        """`text` with the placeholders of this run's known secrets replaced by their values. Only for sending."""
        if "[redacted:" not in text:
            return text
        if self._odd:
            for placeholder, value in tuple(self._values.items()):
                text = text.replace(placeholder, value)
            return text
        return _PLACEHOLDER.sub(lambda match: self._values.get(match.group(), match.group()), text)

    def value(self, placeholder: str) -> str:
        """The secret behind `placeholder`; raises KeyError for one that this run does not know."""
        return self._values[placeholder]

    def text(self, text: str) -> str:
        """`text` without secrets."""
        # Of the table as it is now: a secret that is added meanwhile begins new ones.
        clean, lately = self._clean, self._lately
        if text in clean:
            return text
        if (known := lately.get(text)) is not None:
            return known
        cleaned = self._cleaned(text)
        if cleaned == text and len(text) <= _SHORT and len(clean) < _REMEMBERED:
            clean.add(text)
        elif len(text) <= _LONG:
            if len(lately) >= _LATELY:
                lately.clear()
            lately[text] = cleaned
        return cleaned

    def _cleaned(self, text: str) -> str:
        # Hundreds of alternatives make a slow pattern, and most texts hold none of them: those that are there make a fast one.
        if present := self._table.present(text.casefold()):
            known = "|".join(map(re.escape, sorted(present, key=len, reverse=True)))
            text = re.sub(known, self._replace_known, text, flags=re.IGNORECASE)
        return self._without_lookalikes(text)

    def _placeholder(self, label: str, secret: str) -> str:
        """What stands for a look-alike: the same for the same one in all of a run, and of no use without the run's key."""
        mark = hmac.new(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:6]
        return f"[redacted:{label}:{mark}]"

    def _without_lookalikes(self, text: str) -> str:
        """`text` without what looks like a secret; spans that overlap become one, so that no end of one is left."""
        found = lookalikes(text)
        if not found:
            return text
        hidden = [match.span() for match in _PLACEHOLDER.finditer(text)] if "[redacted:" in text else []
        parts: list[str] = []
        done = 0
        for start, end, label in _united(found):
            for first, last in _around(start, end, hidden):
                secret = text[first:last]
                if _MASKED.match(secret) is not None:
                    continue
                parts += (text[done:first], _fitting(self._placeholder(label, secret), text, first, last))
                done = last
        return "".join((*parts, text[done:]))

    def deep(self, value: object) -> object:
        """`value` (frozen dataclasses, tuples, mappings, plain values) without secrets; the same object when it had none.

        What JSON has no word for (a path, an address) becomes its text where that has one.
        """
        kind: Any = type(value)
        if kind in _SCALARS:
            return self._number(cast("int", value)) if kind is int else value
        if isinstance(value, str):
            cleaned = self.text(value)
            # Enumeration members that are strings stay members.
            return value if cleaned == value else cleaned
        if isinstance(value, tuple | list | set | frozenset):
            return self._collection(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        changes = {}
        remembered = self._clean
        for name in _fields_of(kind):
            before = getattr(value, name)
            if before is None or (type(before) is str and before in remembered):
                continue
            if (after := self.deep(before)) is not before:
                changes[name] = after
        if changes:
            return value.model_copy(update=changes) if isinstance(value, BaseModel) else _replaced(value, changes)
        return value if _fields_of(kind) or isinstance(value, _HARMLESS) else self._odd_one(value)

    def _collection(self, value: Collection[object]) -> object:
        if isinstance(value, tuple) and len(value) == 2 and _is_header(value):
            return (value[0], self._behind_name(value[1], "header"))
        if self.remembers(value):
            return value
        items = [self.deep(item) for item in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        kind: Any = type(value)
        return kind(*items) if hasattr(kind, "_fields") else kind(items)

    def _mapping(self, value: Mapping[object, object]) -> object:
        if self.remembers(value):
            return value
        named = not SECRET_KEYS.isdisjoint(value)
        pairs = {
            self.deep(key): self._behind_name(item, "named-value")
            if named and isinstance(item, str) and key in SECRET_KEYS
            else self.deep(item)
            for key, item in value.items()
        }
        changed = any(k1 is not k2 or pairs[k1] is not value[k2] for k1, k2 in zip(pairs, value, strict=False))
        return pairs if changed else value

    def _behind_name(self, value: str, label: str) -> str:
        """What stands behind a name that says that it is secret, all of it; a mask or a few words are none."""
        cleaned = self.text(value)
        if cleaned == value:
            return (
                value if not is_secret(value) or _MASKED.match(value) is not None else self._placeholder(label, value)
            )
        hidden = [match.span() for match in _PLACEHOLDER.finditer(cleaned)]
        parts: list[str] = []
        done = 0
        for first, last in _around(0, len(cleaned), hidden):
            piece = cleaned[first:last]
            if not is_words(piece.strip()):
                parts += (cleaned[done:first], self._placeholder(label, piece))
                done = last
        return "".join((*parts, cleaned[done:]))

    def _number(self, value: int) -> object:
        if value < _LARGE and value not in self._numbers:
            return value
        text = str(value)
        cleaned = self.text(text)
        return value if cleaned == text else cleaned

    def _odd_one(self, value: object) -> object:
        if isinstance(value, bytes | bytearray):
            try:
                text, encoding = value.decode(), "utf-8"
            except UnicodeDecodeError:
                text, encoding = value.decode("latin-1"), "latin-1"
            cleaned = self.text(text)
            return value if cleaned == text else type(value)(cleaned.encode(encoding))
        text = str(value)
        cleaned = self.text(text)
        if cleaned == text:
            return value
        kind: Any = type(value)
        return kind(cleaned) if isinstance(value, PurePath) else cleaned

    def remembers(self, value: Collection[object]) -> bool:
        """Whether this is a collection of nothing but short texts that are known to hold no secret, and none by its key."""
        try:
            if isinstance(value, Mapping):
                clean = self._clean
                return clean.issuperset(value) and clean.issuperset(value.values()) and SECRET_KEYS.isdisjoint(value)
            return self._clean.issuperset(value)
        except TypeError:  # Something that cannot be in a set is among them.
            return False

    def _replace_known(self, match: re.Match[str]) -> str:
        found = match.group()
        placeholder = self._placeholders.get(found) or self._folded.get(found.casefold(), "[redacted]")
        return _fitting(placeholder, match.string, *match.span())


@lru_cache(maxsize=4096)
def _fields_of(kind: type[Any]) -> tuple[str, ...]:
    """The names of what a kind of dataclass or a part of the target's description is made of."""
    if issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def _is_header(pair: tuple[object, ...]) -> bool:
    """Whether a pair is a header that is a secret, and its value."""
    name, value = pair
    return isinstance(name, str) and isinstance(value, str) and name.lower() in SECRET_HEADERS and not is_words(value)


def _united(spans: Sequence[Span]) -> Iterator[Span]:
    """Sorted spans, those that overlap as one."""
    current = spans[0]
    for one in spans[1:]:
        if one.start < current.end:
            current = current._replace(end=max(current.end, one.end))
        else:
            yield current
            current = one
    yield current


def _around(start: int, end: int, hidden: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of a span is no part of a placeholder, and long enough to be one of a secret."""
    for first, last in hidden:
        if last <= start or first >= end:
            continue
        if first - start >= SHORTEST:
            yield start, first
        start = last
    if end - start >= SHORTEST:
        yield start, end


def _fitting(placeholder: str, text: str, start: int, end: int) -> str:
    """The placeholder as it can stand in the place of what is there: in that of a number in JSON it is in quotes."""
    if _NUMBER.fullmatch(text, start, end) is None or _BEHIND_NUMBER.match(text, end) is None:
        return placeholder
    before = text[max(0, start - 200) : start]
    if found := _NAMED.search(before):
        return f'{found[1]}"{placeholder}{found[1]}"'
    if _ITEM.search(before) and text.lstrip()[:1] in {"[", "{"}:
        escaped = re.search(r"(\\+)\"[^\"]*$", before)
        quote = f'{escaped[1]}"' if escaped else '"'
        return f"{quote}{placeholder}{quote}"
    return placeholder


def _replaced(value: Any, changes: Mapping[str, object]) -> object:
    return dataclasses.replace(value, **changes)


def _forms(value: str) -> set[str]:
    """The spellings in which `value` turns up: itself, as URLs, JSON (twice too), HTML and Python write it, hexadecimal, base64 at each offset."""
    try:
        raw = value.encode("utf-8", "surrogateescape")  # A raw key, as it was read.
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "surrogatepass")
    forms = {value, raw.hex()}
    if not value.isalnum():
        plain = json.dumps(value, ensure_ascii=False)[1:-1]
        escaped = json.dumps(value)[1:-1]
        forms |= {plain, escaped, json.dumps(plain, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1]}
        forms |= {escaped.replace("/", "\\/"), html.escape(value), html.escape(value, quote=False), repr(value)[1:-1]}
        forms |= {quote(raw, safe=safe) for safe in ("", "/", "!*'()", ";,/?:@&=+$-_.!~*'()#")} | {quote_plus(raw)}
        forms |= {html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"), value.replace("'", "''")}
    elif not value.isascii():
        forms |= {quote(raw, safe=""), json.dumps(value)[1:-1]}
    if len(raw) >= 8:
        for offset in range(3):
            padded = base64.b64encode(b"\0" * offset + raw).decode()
            # Only the characters that depend on nothing but the secret.
            start = -(-offset * 8 // 6)
            end = (offset + len(raw)) * 8 // 6
            for piece in (padded[start:end], padded[start:end].replace("+", "-").replace("/", "_")):
                if len(piece) >= 8:
                    forms.add(piece)
    return forms
