"""YAML that a stranger wrote, loaded as the tools that it was written for load it (YAML 1.1), within limits.

Ten lines of aliases or merge keys can stand for gigabytes, a number in base 60 can keep its reader busy for hours, and every
value takes a hundred times its text in memory. So the parser's events are counted first, with each alias as large as what it
stands for, and only then is anything built. Policies and targets are read by `upheld.documents`, which knows places and is stricter.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from upheld.errors import Unobservable

VALUES = 500_000
"""Values of one document, those that its aliases stand for included."""
CHARACTERS = 32 * 1024 * 1024
"""Characters of all values of one document, those that its aliases stand for included."""
_LONGEST_NUMBER = 400
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]  # (which of the two it is shows only at run time)
    """The safe loader, but for numbers that it would compute for ever."""


def _number(loader: Any, node: Any) -> Any:
    """A number, or its text where that is very long or counts in base 60."""
    text = loader.construct_scalar(node)
    if len(text) > _LONGEST_NUMBER or ":" in text:
        return text
    kind = node.tag.rpartition(":")[2]
    return loader.construct_yaml_int(node) if kind == "int" else loader.construct_yaml_float(node)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def load(text: str, what: str) -> Any:
    """The document in `text`; raises Unobservable, which names it as `what`, when it is none or is too large."""
    try:
        _measure(text, what)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # nosec B506  (a safe loader)
    except RecursionError:
        raise Unobservable(f"{what} is nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        # A tag such as !!timestamp on something else makes the loader stumble in several ways.
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unobservable(f"{what} is no YAML that can be read: {first[:200]}") from None


def _measure(text: str, what: str) -> None:
    """Add up what the document stands for; raises Unobservable when that is too much."""
    sizes: dict[str, tuple[int, int]] = {}
    open_ones: list[tuple[str | None, int, int]] = []
    values = characters = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, CollectionStartEvent):
            if event.anchor:
                sizes.pop(event.anchor, None)  # An alias inside it would be the whole in its part.
            open_ones.append((event.anchor, values, characters))
            values += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before, characters_before = open_ones.pop()
            if anchor:
                sizes[anchor] = (values - before, characters - characters_before)
        elif isinstance(event, ScalarEvent):
            values, characters = values + 1, characters + len(event.value)
            if event.anchor:
                sizes[event.anchor] = (1, len(event.value))
        elif isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise Unobservable(f"{what} has an alias to something that it is a part of, or that is not there")
            values, characters = values + sizes[event.anchor][0], characters + sizes[event.anchor][1]
        if values > VALUES or characters > CHARACTERS:
            raise Unobservable(f"{what} stands for more than {VALUES:,} values or {CHARACTERS // 1024**2} MiB of text")
