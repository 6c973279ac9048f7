"""YAML as data and nothing else: the parser's events put together, with a place for every value and limits on all of it.

PyYAML's own loaders are not used, because they build dates, read `no` as false, merge `<<`, keep the last of two equal
keys, and follow aliases without a limit. Scalars are resolved as the YAML 1.2 core schema says, except that numbers must be
finite and fit 64 bits: a floor of `.nan` would be one that nothing falls below.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from upheld.errors import InputError, Mistake

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMERIC = frozenset("+-.0123456789")
_LONGEST_NUMBER = 400
_SHOWN = 60
_INT_LIMIT = 2**63
_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_NO_KEY = object()

_HINTS = (
    ("mapping values are not allowed", "quotes around a text that contains ': '"),
    ("cannot start any token", "spaces for indentation, and quotes around a text that starts with a special character"),
    ("expected <block end>", "the same indentation for all entries of a block"),
    ("did not find expected key", "the same indentation for all keys of a mapping"),
    ("did not find expected '-'", "the same indentation for all entries of a list"),
    ("could not find expected ':'", "a colon and a space after each key"),
    ("',' or ']'", "a comma or a closing ']'"),
    ("',' or '}'", "a comma or a closing '}'"),
    ("unexpected end of stream", "a closing quotation mark"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a document may be: bytes of the file, levels, values and characters after aliases, characters of one text."""

    size: int = 2 * 1024 * 1024
    depth: int = 32
    nodes: int = 400_000
    text: int = 64 * 1024
    expanded_text: int = 32 * 1024 * 1024


class Mark(Protocol):
    """A place in the file; `line` and `column` count from 0."""

    @property
    def line(self) -> int:
        """The line."""

    @property
    def column(self) -> int:
        """The column."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A document's value, and where each part of it stands.

    `marks` has one list for each container, by its `id`: the places of a sequence's entries, or of a mapping's keys and
    values in turn.
    """

    data: Any
    root: Mark
    marks: dict[int, list[Mark]]


@dataclass(slots=True)
class _Anchor:
    """What an alias may stand for: the value, and how many values, characters and levels it has once it is complete."""

    value: Any
    nodes: int
    characters: int
    height: int = 0
    complete: bool = False


class _StopError(Exception):
    """The document cannot be read further; the mistake that says why is kept already."""


def control_character(text: str) -> tuple[int, int, str] | None:
    """The first character that a document may not contain: line and column from 1, and its code point; None without one."""
    found = _CONTROL.search(text)
    if found is None:
        return None
    before = text[: found.start()]
    return before.count("\n") + 1, found.start() - before.rfind("\n"), f"U+{ord(found.group()):04X}"


def scalar(value: str) -> str | int | float | bool | None:
    """What a plain scalar means in the core schema; raises ValueError for a number that is not finite or not 64 bits wide."""
    if value in _WORDS:
        return _WORDS[value]
    if value[0] not in _NUMERIC:
        return value
    if len(value) <= _LONGEST_NUMBER:
        if _INT.fullmatch(value):
            number = int(value, 0) if value[:2] in {"0o", "0x"} else int(value)
            if not -_INT_LIMIT <= number < _INT_LIMIT:
                raise ValueError("the number is too large")
            return number
        if _FLOAT.fullmatch(value):
            real = float(value)
            if not math.isfinite(real):
                raise ValueError("the number is too large")
            return real
    elif _INT.fullmatch(value) or _FLOAT.fullmatch(value):
        raise ValueError("the number is too long")
    if _NOT_FINITE.fullmatch(value):
        raise ValueError("the number is not finite")
    return value


class _Composer:
    """Puts one document together from the parser's events, with a stack of its own instead of recursion."""

    def __init__(self, file: str, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.mistakes: list[Mistake] = []
        self.anchors: dict[str, _Anchor] = {}
        self.nodes = 0
        self.characters = 0

    def wrong(self, mark: Mark, message: str, *, got: str = "", expected: str = "", nearest: str = "") -> None:
        self.mistakes.append(Mistake(self.file, mark.line + 1, mark.column + 1, message, got, expected, nearest))

    def stop(self, mark: Mark, message: str, *, expected: str = "", got: str = "") -> _StopError:
        self.wrong(mark, message, expected=expected, got=got)
        return _StopError()

    def compose(self, events: Iterator[Any]) -> Tree | None:  # noqa: PLR0912, PLR0915  (one loop: calls would double its time)
        """The document, or None for a file without one."""
        root: list[Any] = []
        marks_of: dict[int, list[Mark]] = {}
        stack: list[tuple[Any, list[Mark], bool, Any, Any, int, _Anchor | None]] = []
        container: Any = root
        marks: list[Mark] = []
        root_marks = marks
        is_map, deepest = False, 0
        key: Any = _NO_KEY
        key_mark: Any = None
        opened: _Anchor | None = None
        most_nodes, most_depth, most_text = self.limits.nodes, self.limits.depth, self.limits.text
        for event in events:
            kind = event.__class__
            if kind is ScalarEvent:
                mark = event.start_mark
                value = event.value
                self.characters += len(value)
                if len(value) > most_text:
                    self.wrong(
                        mark,
                        "the text is too long",
                        got=f"{len(value):,} characters",
                        expected=f"at most {most_text:,}",
                    )
                if event.tag is None and event.implicit[0]:
                    if is_map and key is _NO_KEY and value == "<<":
                        expected = "the keys written out, or an alias for a whole value"
                        raise self.stop(mark, "merge keys (<<) are not supported", expected=expected)
                    try:
                        value = scalar(value)
                    except ValueError as error:
                        self.wrong(
                            mark,
                            str(error),
                            got=_short(value),
                            expected="a finite number of at most 64 bits, or quotes",
                        )
                elif event.tag is not None or event.style == '"':
                    value = self.unusual(event)
                if event.anchor:
                    self.anchors[event.anchor] = _Anchor(value, 1, len(event.value), complete=True)
                self.nodes += 1
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                mark = event.start_mark
                if is_map and key is _NO_KEY:
                    raise self.stop(mark, "the key is no text", expected="a text as key")
                if len(stack) >= most_depth:
                    raise self.stop(mark, "the document is nested too deeply", expected=f"at most {most_depth} levels")
                if event.tag is not None:
                    self.container_tag(event, "map" if kind is MappingStartEvent else "seq")
                value = {} if kind is MappingStartEvent else []
                self.nodes += 1
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                depth = len(stack)
                if opened is not None:
                    opened.nodes = self.nodes - opened.nodes
                    opened.characters = self.characters - opened.characters
                    opened.height = max(deepest, depth) - depth + 1
                    opened.complete = True
                below = max(deepest, depth)
                container, marks, is_map, key, key_mark, deepest, opened = stack.pop()
                deepest = max(deepest, below)
                continue
            elif kind is AliasEvent:
                mark = event.start_mark
                anchor = self.alias(event)
                if is_map and key is _NO_KEY and not isinstance(anchor.value, str):
                    raise self.stop(mark, "the key is no text", expected="a text as key")
                value = anchor.value
                self.nodes += anchor.nodes
                self.characters += anchor.characters
                deepest = max(deepest, len(stack) + anchor.height)
                if deepest > most_depth:
                    raise self.stop(mark, "the document is nested too deeply", expected=f"at most {most_depth} levels")
                if self.characters > self.limits.expanded_text:
                    raise self.stop(
                        mark, "the document is too large once its aliases are expanded", expected="fewer aliases"
                    )
            elif kind is DocumentStartEvent:
                if root:
                    raise self.stop(event.start_mark, "the file holds several documents", expected="one document")
                continue
            else:
                continue
            if self.nodes > most_nodes:
                raise self.stop(
                    mark, "the document holds too many values", expected=f"at most {most_nodes:,}, aliases expanded"
                )
            if not is_map:
                container.append(value)
                marks.append(mark)
            elif key is _NO_KEY:
                key, key_mark = value, mark
                if value.__class__ is not str:
                    self.wrong(
                        mark, "the key is no text", got=_short(value), expected="a text as key; put it in quotes"
                    )
                    key = f"{event.value}" if kind is ScalarEvent else ""
                if key in container:
                    first = marks[2 * list(container).index(key)]
                    message = f"the key {_short(key)} occurs twice: first at {first.line + 1}:{first.column + 1}"
                    self.wrong(mark, message, expected="each key once")
                continue
            else:
                if key not in container:
                    container[key] = value
                    marks.append(key_mark)
                    marks.append(mark)
                key = _NO_KEY
            if kind is MappingStartEvent or kind is SequenceStartEvent:
                stack.append((container, marks, is_map, key, key_mark, deepest, opened))
                container, marks, is_map, key, deepest = value, [], kind is MappingStartEvent, _NO_KEY, 0
                marks_of[id(value)] = marks
                opened = None
                if event.anchor:
                    opened = self.anchors[event.anchor] = _Anchor(value, self.nodes - 1, self.characters)
        return Tree(root[0], root_marks[0], marks_of) if root else None

    def alias(self, event: Any) -> _Anchor:
        """What the alias stands for; raises _StopError for one that is unknown or stands inside what it stands for."""
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            close = difflib.get_close_matches(event.anchor[:_SHOWN], self.anchors, n=1)
            self.wrong(
                event.start_mark,
                f"the alias *{event.anchor[:_SHOWN]} has no anchor before it",
                expected="" if close else "an anchor of that name (&name) before it",
                nearest=close[0] if close else "",
            )
            raise _StopError
        if not anchor.complete:
            message = f"the alias *{event.anchor[:_SHOWN]} stands inside what it stands for (a cycle)"
            raise self.stop(event.start_mark, message, expected="an alias outside of what it stands for")
        return anchor

    def unusual(self, event: Any) -> Any:
        """The value of a scalar that has a tag, or of one in double quotes, whose escapes can spell any character."""
        value = event.value
        if event.style == '"' and (found := _CONTROL.search(value)):
            got = f"U+{ord(found.group()):04X}"
            self.wrong(event.start_mark, "the text contains a control character", got=got, expected="text")
            return ""
        name = "str" if event.tag in {None, "!"} else _TAGS.get(event.tag, "")
        if name == "str":
            return value
        if name in {"", "map", "seq"}:
            self.wrong(
                event.start_mark, "the tag is not allowed", got=_tag(event.tag), expected="plain data without tags"
            )
            return value
        try:
            resolved = scalar(value)
        except ValueError as error:
            expected = "a finite number of at most 64 bits"
            self.wrong(event.start_mark, str(error), got=_short(value), expected=expected)
            return value
        if name == "float" and resolved.__class__ is int:
            resolved = float(resolved)
        if {"int": int, "float": float, "bool": bool, "null": type(None)}[name] is not resolved.__class__:
            message = f"the value is not what its tag !!{name} says"
            self.wrong(event.start_mark, message, got=_short(value), expected="a value without a tag")
        return resolved

    def container_tag(self, event: Any, name: str) -> None:
        if _TAGS.get(event.tag) != name and event.tag != "!":
            self.wrong(
                event.start_mark, "the tag is not allowed", got=_tag(event.tag), expected="plain data without tags"
            )


def compose(text: str, file: str, limits: Limits) -> Tree:
    """The only document of `text`; raises InputError with every mistake found up to where it could be read."""
    composer = _Composer(file, limits)
    tree: Tree | None = None
    try:
        tree = composer.compose(yaml.parse(text, Loader=_LOADER))
        if not composer.mistakes and (tree is None or tree.data is None):
            composer.mistakes.append(Mistake(file, 1, 1, "the file is empty", expected="a YAML document"))
    except _StopError:
        pass
    except yaml.YAMLError as error:
        composer.mistakes.append(_syntax(error, file, limits))
    except (ValueError, OverflowError) as error:  # PyYAML's pure parser, for an escape that is no character.
        composer.mistakes.append(Mistake(file, 0, 0, f"no valid YAML: {error}", expected="escapes that are characters"))
    except RecursionError:
        composer.mistakes.append(
            Mistake(file, 0, 0, "the document is nested too deeply", expected=f"at most {limits.depth} levels")
        )
    if composer.mistakes or tree is None:
        raise InputError(sorted(composer.mistakes, key=lambda one: (one.line, one.column)))
    return tree


def _syntax(error: yaml.YAMLError, file: str, limits: Limits) -> Mistake:
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read")
    context = getattr(error, "context", None)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if "maximum nesting depth" in problem:  # libyaml's own limit, which its scanner meets while it looks ahead.
        return Mistake(
            file, line, column, "the document is nested too deeply", expected=f"at most {limits.depth} levels"
        )
    hint = next((hint for part, hint in _HINTS if part in problem), "valid YAML 1.2")
    return Mistake(file, line, column, f"no valid YAML: {f'{context}: ' if context else ''}{problem}", expected=hint)


def _tag(tag: str) -> str:
    return _short(tag.replace("tag:yaml.org,2002:", "!!"))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
