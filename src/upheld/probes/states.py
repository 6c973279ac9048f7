"""What an answer shows, value by value, so that two looks at the same thing can be compared."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from selectolax.lexbor import LexborHTMLParser

from upheld.errors import Unobservable
from upheld.probes.api_answers import named

if TYPE_CHECKING:
    from upheld.probes.http_client import Answer

_IDENTIFIERS = ("id", "uuid", "_id", "key", "name")
"""The properties by which objects in lists are told apart, the first that all of them have."""
VALUES_KEPT = 2_000
"""Values of an answer that a state keeps."""


def _visible(html: str) -> str:
    """The digest of what a page shows to a reader: its text, the values of its fields, and where its links lead."""
    tree = LexborHTMLParser(html)
    for node in tree.css("script, style, input[type=hidden]"):
        node.decompose()
    shown = [" ".join((tree.body.text(separator=" ") if tree.body else "").split())]
    shown += [str(node.attributes.get("value")) for node in tree.css("input")]
    shown += [str(node.attributes.get("href")) for node in tree.css("a")]
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()


def _names(items: list[Any]) -> list[str]:
    """What the items of a list go by: the identifiers of objects where each has one of its own, as `(…)`, else their numbers."""
    for key in _IDENTIFIERS:
        found = [item.get(key) if isinstance(item, dict) else None for item in items]
        if all(isinstance(one, str | int) for one in found) and len(set(found)) == len(items):
            return [named(str(one)) for one in found]
    return [str(index) for index in range(len(items))]


def values_of(answer: Answer) -> tuple[tuple[str, str], ...]:
    """Every value of a JSON body by its JSON pointer, at most `VALUES_KEPT`; another body as one value, by its digest.

    What a list's objects are called by stands in the place of their number, for others may come before them meanwhile.
    """
    if answer.media_type in {"text/html", "application/xhtml+xml"}:
        # What is read, and not what is hidden in it: a token against forged requests differs from page to page.
        return (("", _visible(answer.text)),)
    try:
        data = answer.json()
    except Unobservable:
        return (("", answer.sha256),)
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, Any]] = [("", data)]
    while waiting and len(found) < VALUES_KEPT:
        place, node = waiting.pop()
        if isinstance(node, dict):
            waiting += [(f"{place}/{key}", item) for key, item in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [
                (f"{place}/{name}", item) for name, item in reversed(list(zip(_names(node), node, strict=True)))
            ]
        else:
            found.append((place, json.dumps(node)))
    return tuple(found)
