"""Input files: read within limits, composed as plain data with places, validated with every mistake said at once.

Policies, waivers and target descriptions all come through here. What goes wrong is an `InputError` with places, whatever
the bytes of the file are; nothing in a file is ever evaluated.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import stat
import types
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from upheld.errors import InputError, Mistake
from upheld.redaction import Redactor
from upheld.yaml_core import Limits, Tree, compose, control_character

__all__ = [
    "Document",
    "Limits",
    "Suggestions",
    "check",
    "in_order",
    "load",
    "mistakes_in",
    "nearest",
    "read",
    "shorten",
    "validate",
]

M = TypeVar("M", bound=BaseModel)
Location = Sequence[str | int]

_SHOWN = 60
_DELICATE = re.compile(r"(?i)passw|passphrase|secret|token|key|credential")
_HIDDEN_ERRORS = frozenset({"secret_value", "missing", "extra_forbidden"})
_REDACTOR = Redactor()

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "nothing",
    "date_type": "a date such as 2027-01-31",
    "date_parsing": "a date such as 2027-01-31",
    "date_from_datetime_parsing": "a date such as 2027-01-31",
    "datetime_type": "an instant such as 2027-01-31T12:00:00Z",
    "datetime_parsing": "an instant such as 2027-01-31T12:00:00Z",
    "datetime_from_date_parsing": "an instant such as 2027-01-31T12:00:00Z",
    "time_delta_type": "a duration such as P1DT12H",
    "time_delta_parsing": "a duration such as P1DT12H",
}


class Document:
    """One input file as plain data (mappings, lists, texts, numbers, true, false, null), with the place of each part."""

    __slots__ = ("_keys", "_tree", "data", "digest", "file")

    def __init__(self, tree: Tree, file: str, digest: str) -> None:
        self.data: Any = tree.data
        self.file = file
        self.digest = digest
        """The SHA-256 of the file's bytes, in hexadecimal."""
        self._tree = tree
        self._keys: dict[int, dict[str, int]] = {}

    def place(self, location: Location = (), *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value (or its key) at that location, or of the nearest part above it that exists."""
        node, mark = self.data, self._tree.root
        for position, part in enumerate(location):
            marks = self._tree.marks.get(id(node))
            if isinstance(node, dict) and marks is not None:
                index = self._index(node).get(str(part))
                if index is None:
                    break
                last = position == len(location) - 1
                mark = marks[index if key and last else index + 1]
                node = node[str(part)]
            elif isinstance(node, list) and marks is not None and isinstance(part, int) and 0 <= part < len(node):
                mark, node = marks[part], node[part]
            else:
                break
        return mark.line + 1, mark.column + 1

    def mistake(
        self,
        location: Location,
        message: str,
        *,
        key: bool = False,
        got: str = "",
        expected: str = "",
        nearest: str = "",
    ) -> Mistake:
        """A mistake at that location of this file."""
        file, line, column = self.where(location, key=key)
        return Mistake(file, line, column, message, got, expected, nearest)

    def lacking(self, location: Location, name: str) -> Mistake:
        """The mistake that the mapping at that location has no value for `name`."""
        return self.mistake(location, f"{name!r} is missing", expected=f"a value for {name!r}")

    def where(self, location: Location = (), *, key: bool = False) -> tuple[str, int, int]:
        """The file that the value (or its key) at that location stands in, and its place there."""
        return self.file, *self.place(location, key=key)

    def spot(self, location: Location) -> str:
        """That place in words, for a mistake that is told at another one."""
        line, column = self.place(location)
        return f"{line}:{column}"

    def _index(self, node: dict[str, Any]) -> dict[str, int]:
        known = self._keys.get(id(node))
        if known is None:
            known = self._keys[id(node)] = {key: 2 * index for index, key in enumerate(node)}
        return known


def load(path: Path, limits: Limits = Limits()) -> Document:  # noqa: B008  (frozen)
    """The document in that file; raises InputError when it cannot be read, is no safe YAML, or passes a limit."""
    file = str(path)
    text, digest = read(path, limits)
    return Document(compose(text, file, limits), file, digest)


def read(path: Path, limits: Limits = Limits(), kind: str = "YAML") -> tuple[str, str]:  # noqa: B008  (frozen)
    """The file's text and the SHA-256 of its bytes; raises InputError when it cannot be read, is no text, or is too large."""
    file = str(path)
    raw = _read(path, file, limits, kind)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        got = f"the byte 0x{raw[error.start]:02X}"
        raise InputError(
            [Mistake(file, line, column, "the file is not UTF-8", got=got, expected="UTF-8 text")]
        ) from None
    if found := control_character(text):
        line, column, got = found
        raise InputError(
            [Mistake(file, line, column, "the file contains a control character", got=got, expected="text")]
        )
    return text, hashlib.sha256(raw).hexdigest()


def _read(path: Path, file: str, limits: Limits, kind: str) -> bytes:
    def wrong(message: str, **details: str) -> InputError:
        return InputError([Mistake(file, 0, 0, message, **details)])

    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise wrong("is a folder", expected=f"a {kind} file")
        if not stat.S_ISREG(mode):  # A pipe or device could keep the reader waiting for ever.
            raise wrong("is no regular file", expected=f"a {kind} file")
        with path.open("rb") as stream:
            raw = stream.read(limits.size + 1)
    except FileNotFoundError:
        near = _neighbour(path)
        raise wrong("the file does not exist", expected="" if near else f"a {kind} file", nearest=near) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise wrong(f"the file cannot be read: {why}", expected="a file that may be read") from None
    except ValueError as error:  # A NUL or a lone surrogate in the name.
        raise wrong(f"the file name is not valid: {error}", expected="a name that a file can have") from None
    if len(raw) > limits.size:
        raise wrong("the file is too large", expected=f"at most {limits.size:,} bytes")
    return raw


def _neighbour(path: Path) -> str:
    try:
        names = {
            one.stem: one.name
            for one in path.parent.iterdir()
            if one.suffix in {".yaml", ".yml", path.suffix} and one.is_file()
        }
    except (OSError, ValueError):
        return ""
    return names.get(nearest(path.stem, names), "")


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of `words` that is most like `word`, or an empty text when none is."""
    close = difflib.get_close_matches(word[:200], list(words), n=1, cutoff=0.5)
    return close[0] if close else ""


class Suggestions:
    """Nearest words, as long as a budget of comparisons lasts: many mistakes among many names must not take minutes."""

    def __init__(self, comparisons: int = 200_000) -> None:
        self._left = comparisons

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        return self._left < 0

    def nearest(self, word: str, words: Collection[str]) -> str:
        """The one of `words` that is most like `word`; an empty text when none is or the budget is used up."""
        self._left -= len(words)
        return nearest(word, words) if self._left >= 0 else ""


def shorten(value: object) -> str:
    """`value` as a mistake shows it: scalars as written in Python, cut and without look-alikes of secrets; else only its kind."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = _REDACTOR.text(repr(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


# --- validation ----------------------------------------------------------------------------------------------------


def validate(document: Document, model: type[M], data: Any = None) -> M:
    """The document (or `data`, made from it) as `model`, checked strictly; raises InputError with every mistake, by place."""
    value, mistakes = check(document, model, data)
    if value is None:
        raise InputError(in_order(mistakes))
    return value


def check(
    document: Document, model: type[M], data: Any = None, *, ignore: frozenset[str] = frozenset()
) -> tuple[M | None, list[Mistake]]:
    """The document (or `data`, made from it) as `model`, or None and every mistake.

    Mistakes of the pydantic error types in `ignore` are left to the caller, who says them better.
    """
    try:
        # Through JSON, because pydantic's strictness is then the one of a file: lists may be tuples, texts may be dates.
        return model.model_validate_json(json.dumps(document.data if data is None else data), strict=True), []
    except ValidationError as error:
        return None, mistakes_in(error, document, model, ignore=ignore)


def in_order(mistakes: Iterable[Mistake], files: Iterable[str] = ()) -> list[Mistake]:
    """The mistakes sorted by place within each file; the named files first, others in the order in which they occur."""
    listed = list(dict.fromkeys(mistakes))
    ranks = {file: index for index, file in enumerate(dict.fromkeys((*files, *(one.file for one in listed))))}
    return sorted(listed, key=lambda one: (ranks[one.file], one.line, one.column))


def mistakes_in(
    error: ValidationError,
    document: Document,
    model: type[BaseModel],
    at: Location = (),
    *,
    ignore: frozenset[str] = frozenset(),
) -> list[Mistake]:
    """Every error that pydantic found in the part of `document` at the location `at`, as mistakes with places."""
    found = error.errors(include_url=False)
    above = {one["loc"][:depth] for one in found for depth in range(len(one["loc"]))}
    errors = (one for one in found if one["type"] not in ignore and not _follows(one, above))
    known: dict[Location, list[str]] = {}
    suggestions = Suggestions()
    return [_mistake(one, document, model, at, known, suggestions) for one in errors]


def _follows(error: Any, above: Collection[Location]) -> bool:
    """Whether a list that is long enough is said to be too short, because items that are wrong, as is said of them, do not count."""
    items = error["input"]
    if error["type"] != "too_short" or error["loc"] not in above or not isinstance(items, list | tuple):
        return False
    least: int = error["ctx"]["min_length"]
    return len(items) >= least


def _mistake(
    error: Any,
    document: Document,
    model: type[BaseModel],
    at: Location,
    keys: dict[Location, list[str]],
    suggestions: Suggestions,
) -> Mistake:
    kind, location, context = error["type"], error["loc"], error.get("ctx") or {}
    whole = (*at, *location)
    name = str(location[-1]) if location else ""
    if kind == "missing":
        return document.lacking(whole[:-1], name)
    if kind == "extra_forbidden":
        if location[:-1] not in keys:
            keys[location[:-1]] = list(_keys_at(model, location[:-1]))
        known = keys[location[:-1]]
        close = suggestions.nearest(name, known)
        listed = "a key that is known here" if suggestions.spent else f"one of {', '.join(known)}"
        expected = "" if close else listed if known else "no further key"
        return document.mistake(whole, f"{shorten(name)} is not known here", key=True, expected=expected, nearest=close)
    if "[key]" in location:
        return document.mistake(whole[:-1], f"the key is not valid: {error['msg']}", key=True)
    # Not even a look-alike: whatever stands where a secret is expected may be one, however it fails.
    hidden = kind in _HIDDEN_ERRORS or any(_DELICATE.search(str(part)) for part in location)
    got = "" if hidden else shorten(error.get("input"))
    where = _words(location)
    if kind in {"literal_error", "enum"}:
        words = str(context.get("expected", ""))
        close = nearest(str(error.get("input")), re.findall(r"'([^']*)'", words))
        return document.mistake(whole, f"{where} is not valid", got=got, expected=words, nearest=close)
    if kind in _EXPECTED:
        return document.mistake(whole, f"{where} is not valid", got=got, expected=_EXPECTED[kind])
    return document.mistake(whole, f"{where}: {error['msg']}" if where else error["msg"], got=got)


def _words(location: Location) -> str:
    """`claims.3.severity`, as a mistake names a location."""
    return ".".join(str(part) for part in location)[:200] or "the document"


def _keys_at(model: Any, location: Location) -> Iterator[str]:
    """The keys that the model has at that location of its data."""
    kinds = [model]
    for part in location:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    for kind in kinds:
        for one in _models(kind):
            for field_name, field in one.model_fields.items():
                yield field.alias or field_name


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    for one in _models(kind):
        for field_name, field in one.model_fields.items():
            if part in {field.alias, field_name}:
                yield field.annotation
    for one in _plain_kinds(kind):
        arguments = [argument for argument in get_args(one) if argument is not Ellipsis]
        if get_origin(one) is dict:
            yield arguments[1]
        elif get_origin(one) in {list, tuple, set, frozenset} and isinstance(part, int):
            yield from arguments[:1]


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    for one in _plain_kinds(kind):
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield one


def _plain_kinds(kind: Any) -> Iterator[Any]:
    """The kinds that an annotation stands for: without Annotated, and each alternative of a union."""
    if get_origin(kind) is Annotated:
        yield from _plain_kinds(get_args(kind)[0])
    elif get_origin(kind) in {Union, types.UnionType}:
        for one in get_args(kind):
            yield from _plain_kinds(one)
    else:
        yield kind
