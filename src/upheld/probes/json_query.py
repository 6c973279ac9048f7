"""What a JSONPath query (RFC 9535) of a target description finds in an answer: one value, or the reason why there is none."""

from __future__ import annotations

from typing import Any

from upheld.errors import Unobservable

_SHOWN = 3
_SHOWN_CHARACTERS = 80


class Nothing(Unobservable):
    """The query matches nothing in this answer, or null."""


def queried(data: Any, query: str) -> str:
    """The one string or number that `query` matches in `data`, as text.

    Raises Nothing when it matches nothing or null, and Unobservable when it matches several values or one of another kind. Both name
    places and kinds, never values, which may be secrets.
    """
    value, place = _one(data, query)
    if value is None:
        raise Nothing(f"{query} matches null at {place}, not a string or a number")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unobservable(f"{query} matches {_kind(value)} at {place}, not a string or a number")
    return str(value)


def holds(data: Any, query: str, wanted: str | bool | float) -> bool:
    """Whether the one value that `query` matches in `data` is the wanted one, of the same kind; raises as `queried` does for none and several."""
    value, _ = _one(data, query)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _one(data: Any, query: str) -> tuple[Any, str]:
    """The one value that `query` matches, with its place."""
    import jsonpath_rfc9535  # noqa: PLC0415  (only targets with a query need it)

    try:
        nodes = jsonpath_rfc9535.find(query, data)
    except (jsonpath_rfc9535.JSONPathError, RecursionError) as error:
        raise Unobservable(f"{query} cannot be evaluated in the answer: {type(error).__name__}") from None
    if not nodes:
        raise Nothing(f"{query} matches nothing in the answer")
    if len(nodes) > 1:
        places = ", ".join(node.path()[:_SHOWN_CHARACTERS] for node in nodes[:_SHOWN])
        more = ", …" if len(nodes) > _SHOWN else ""
        raise Unobservable(f"{query} matches {len(nodes)} values in the answer and must match one: {places}{more}")
    return nodes[0].value, nodes[0].path()[:_SHOWN_CHARACTERS]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "an array" if isinstance(value, list) else "an object"
