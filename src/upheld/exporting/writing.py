"""What the exports share in writing: text of bounded length that stays text, moments, identifiers and JSON bytes."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime

from upheld.model import Run, timestamp
from upheld.reporting.text import safe

LINE = 300
"""Characters that a title or a name may have."""

TEXT = 2_000
"""Characters that any other text may have; what is longer ends with how long it was."""

FINDINGS = 100
"""Findings of one claim that are spelled out where a format has no entry of its own for each."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:upheld:exporting")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$^=-])")


def words(text: object, limit: int = TEXT, empty: str = "none") -> str:
    """`text` on one line without control characters, at most about `limit` long; `empty` where nothing is left of it."""
    whole = str(text)
    shown = safe(whole[:limit]).strip()
    return f"{shown}… [{len(whole)} characters in all]" if len(whole) > limit else shown or empty


def line(text: object, empty: str = "none") -> str:
    """`text` as a title or a name."""
    return words(text, LINE, empty)


def markdown(text: object, limit: int = TEXT, empty: str = "none") -> str:
    """`text` for a field that is read as Markdown, in which none of it acts."""
    return _MARKDOWN.sub(r"\\\1", words(text, limit, empty))


def moment(text: str) -> datetime:
    """The moment that a record of a run gives; 1970 where it gives none that can be read."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return _EPOCH


def stamp(text: str) -> str:
    """That moment as RFC 3339 in UTC with milliseconds."""
    return timestamp(moment(text))


def identifier(run: Run, *parts: object) -> str:
    """The UUID (version 5) of a part of `run`: the same for the same run, and of no other run or part."""
    return str(_made_of(run.id, run.started, run.policy_digest, *parts))


def stable(*parts: object) -> str:
    """A mark made of these alone, the same in every run: 16 hexadecimal digits."""
    return _made_of(*parts).hex[:16]


def _made_of(*parts: object) -> uuid.UUID:
    # What run.json cannot hold is spelled as it is there, so that a run read back gives the same.
    return uuid.uuid5(_NAMESPACE, json.dumps([safe(part) for part in parts]))


def dumps(document: object) -> bytes:
    """`document` as JSON in UTF-8 that ends with a line feed; keys stand in the order in which they were put."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
