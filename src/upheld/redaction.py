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
import json
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

SHORTEST = 4
"""Known secrets shorter than this many characters are refused: replacing them would corrupt every text."""

_SHORT = 64
_REMEMBERED = 50_000
"""How many short texts without secrets are remembered: names of headers, statuses and paths come again and again."""

# What looks like a secret although nobody told us: (label, pattern). The group `s`, where there is one, is the secret.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"),
    ("meta-token", r"\bEAA[A-Za-z0-9]{20,}"),
    ("aws-key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("stripe-key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("google-key", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("authorization", r"\b(?i:bearer|basic)\s+(?P<s1>[A-Za-z0-9._~+/=-]{8,})"),
    ("url-password", r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"']{0,64}:(?P<s2>[^\s/@\"']+)@"),
    (
        "named-value",
        (
            r"[\"']?\b(?i:password|passwd|pwd|secret|client_secret|api[_-]?key|access_token|refresh_token|private_key)"
            r"[\"']?\s*[=:]\s*[\"']?(?P<s3>[^\s\"'&,;<>\[\]{}]{4,})"
        ),
    ),
    ("set-cookie", r"\b(?i:set-cookie):\s*[^=;\s]+=(?P<s4>[^;\s]{8,})"),
)
_PATTERN = re.compile("|".join(f"(?P<p{i}>{pattern})" for i, (_, pattern) in enumerate(_PATTERNS)), re.DOTALL)
_HINT = re.compile(
    r"(?i)-----BEGIN|eyJ|EAA|AKIA|ASIA|gh[pousr]_|github_pat|xox|[rs]k_|AIza|bearer|basic|://|passw|pwd|secret|key|token|cookie"
)
_PLACEHOLDER = re.compile(r"\[redacted:[^\[\]]*\]")
_MASKED = re.compile(r"^(?:\[|\*+$|-+redacted|x{4,}$|<|\{|\$)", re.IGNORECASE)


_SCALARS = frozenset({int, bool, float, type(None)})


class _Table(NamedTuple):
    """The spellings of known secrets by their folded form, and which folded forms begin with the same few characters."""

    forms: dict[str, tuple[str, ...]]
    starts: dict[str, tuple[str, ...]]

    def present(self, folded: str) -> list[str]:
        """The spellings that a folded text holds."""
        if len(folded) > 4 * len(self.forms):
            return [form for spelling, forms in self.forms.items() if spelling in folded for form in forms]
        # A short text has fewer places than there are secrets in a run that plants hundreds of canaries.
        places = {folded[place : place + SHORTEST] for place in range(len(folded) - SHORTEST + 1)}
        begun = [spelling for start in places & self.starts.keys() for spelling in self.starts[start]]
        return [form for spelling in begun if spelling in folded for form in self.forms[spelling]]


class Redactor:
    """Knows the run's secrets; takes them out of values and puts canaries back into what is sent."""

    def __init__(self, key: bytes | None = None) -> None:
        """`key` makes placeholders of look-alikes equal across the workers of one run; it is never stored."""
        self._key = key or secrets.token_bytes(32)
        self._placeholders: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._table = _Table({}, {})
        self._odd = False
        self._clean: set[str] = set()

    def add(self, value: str, label: str) -> str:
        """Make `value` a known secret called `label`; gives its placeholder. Raises ValueError when it is too short."""
        if len(value) < SHORTEST:
            raise ValueError(f"the secret {label!r} is shorter than {SHORTEST} characters")
        placeholder = f"[redacted:{label}]"
        if self._values.get(placeholder) == value:
            return placeholder
        self._values[placeholder] = value
        self._odd = self._odd or _PLACEHOLDER.fullmatch(placeholder) is None
        # Other threads may be reading: they see the table before or the table after, and never one that changes under them.
        table = _Table(dict(self._table.forms), dict(self._table.starts))
        for form in _forms(value):
            folded = form.casefold()
            if form not in self._placeholders:
                if folded not in table.forms:
                    table.starts[folded[:SHORTEST]] = (*table.starts.get(folded[:SHORTEST], ()), folded)
                table.forms[folded] = (*table.forms.get(folded, ()), form)
            self._placeholders.setdefault(form, placeholder)
            self._folded.setdefault(folded, placeholder)
        # What had no secret in it has seldom one of the new one's spellings. Another thread may still be adding to the set that
        # was; what it adds was looked at by the table that was, and is forgotten with it.
        before = self._clean.copy()
        together = "\0".join(before).casefold()
        self._table = table
        self._clean = set() if any(form.casefold() in together for form in _forms(value)) else before
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
        clean = self._clean  # Of the table as it is now: a secret that is added meanwhile begins a new one.
        if text in clean:
            return text
        cleaned = self._cleaned(text)
        if cleaned == text and len(text) <= _SHORT and len(clean) < _REMEMBERED:
            clean.add(text)
        return cleaned

    def _cleaned(self, text: str) -> str:
        # Hundreds of alternatives make a slow pattern, and most texts hold none of them: those that are there make a fast one.
        if present := self._table.present(text.casefold()):
            known = "|".join(map(re.escape, sorted(present, key=len, reverse=True)))
            text = re.sub(known, self._replace_known, text, flags=re.IGNORECASE)
        return _PATTERN.sub(self._replace_lookalike, text) if _HINT.search(text) else text

    def deep(self, value: object) -> object:
        """`value` (frozen dataclasses, tuples, mappings, plain values) without secrets; the same object when it had none."""
        if isinstance(value, str):
            cleaned = self.text(value)
            # Enumeration members that are strings stay members.
            return value if cleaned == value else cleaned
        if type(value) in _SCALARS or isinstance(value, int | float) or self.remembers(value):
            return value
        if isinstance(value, tuple | list | frozenset):
            items = [self.deep(item) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
        if isinstance(value, Mapping):
            pairs = {self.deep(key): self.deep(item) for key, item in value.items()}
            changed = any(k1 is not k2 or pairs[k1] is not value[k2] for k1, k2 in zip(pairs, value, strict=False))
            return pairs if changed else value
        kind: Any = type(value)
        changes = {}
        clean = self._clean
        for name in _fields_of(kind):
            before = getattr(value, name)
            if type(before) in _SCALARS or (type(before) is str and before in clean):
                continue
            if (after := self.deep(before)) is not before:
                changes[name] = after
        if not changes:
            return value
        return value.model_copy(update=changes) if isinstance(value, BaseModel) else _replaced(value, changes)

    def remembers(self, value: object) -> bool:
        """Whether this is a collection of nothing but short texts that are known to hold no secret."""
        try:
            if isinstance(value, tuple | list | frozenset):
                return self._clean.issuperset(value)
            if isinstance(value, dict):
                return self._clean.issuperset(value) and self._clean.issuperset(value.values())
            return False
        except TypeError:  # Something that cannot be in a set is among them.
            return False

    def _replace_known(self, match: re.Match[str]) -> str:
        found = match.group()
        return self._placeholders.get(found) or self._folded.get(found.casefold(), "[redacted]")

    def _replace_lookalike(self, match: re.Match[str]) -> str:
        index = next(i for i in range(len(_PATTERNS)) if match.group(f"p{i}") is not None)
        label = _PATTERNS[index][0]
        group = next((g for g in ("s1", "s2", "s3", "s4") if match.group(g) is not None), None)
        whole = match.group()
        secret = match.group(group) if group else whole
        if _MASKED.match(secret):
            return whole
        mark = hmac.new(self._key, secret.encode(), hashlib.sha256).hexdigest()[:6]
        placeholder = f"[redacted:{label}:{mark}]"
        if not group:
            return placeholder
        start = match.start(group) - match.start()
        return whole[:start] + placeholder + whole[start + len(secret) :]


@lru_cache(maxsize=4096)
def _fields_of(kind: type[Any]) -> tuple[str, ...]:
    """The names of what a kind of dataclass or a part of the target's description is made of."""
    if issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def _replaced(value: Any, changes: Mapping[str, object]) -> object:
    return dataclasses.replace(value, **changes)


def _forms(value: str) -> set[str]:
    """The spellings in which `value` turns up: itself, URL-quoted, JSON-escaped, hexadecimal, base64 at each offset."""
    raw = value.encode()
    forms = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], raw.hex()}
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
