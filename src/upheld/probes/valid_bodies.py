"""Bodies that an operation should take, made of what its OpenAPI document says: examples, defaults, listed values, formats and bounds.

A body is a template: `{random}` and the like become something new each time, so that a second object is not refused as a
double, and `{kind}` becomes the identifier of an object. What cannot be known is said, and never guessed.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable
from upheld.probes.api_requests import fill, generated
from upheld.probes.openapi import FORM, names_identifier
from upheld.probes.schemas import Schemas

if TYPE_CHECKING:
    from upheld.probes.openapi import Document, Operation

MOST = 200
"""Properties of one body that are filled in."""
CANARY = "{canary} {search}"
_BARE = "{canary}"
_DEPTH = 12
_VALUES = {
    "email": "{random}@example.com",
    "uuid": "{uuid}",
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "uri": "https://example.com/{random}",
    "url": "https://example.com/{random}",
    "password": "{random}-A1",
}
_NEW = frozenset({"email", "uuid", "uri", "url", "password"})
"""Formats whose values often may stand once only, so that an example of the document would be refused the second time."""
_ONCE = re.compile(
    r"(?i)(?:^|[_-])(?:name|slug|key|handle|login|title|user|username|nick|nickname|code|subject)$|[a-z](?:Name|Key|Code)$"
)
"""Names of properties of which the same holds."""
_TEXTS = ("text", "content", "body", "description", "message", "title", "subject", "name", "label", "summary")
"""Properties that usually hold what somebody wrote, those that a listing or a search would show first."""
_TRIED = ("x{random}", "X{random}", "{digits}", "+49{digits}", "A1{digits}", "a", "A", "1", "AB", "ab", "ABC", "abc", "10:00", "#a1b2c3", "1.0.0", "192.0.2.1", "/a", "a-b")  # fmt: skip
"""What a pattern may be for, when the document has no example of it."""
_PLACEHOLDER = re.compile(r"\{[A-Za-z_]")
_PATTERN_SECONDS = 0.02
"""What a pattern may take for a beginning of a text: the whole takes longer."""
_MADE_UP = {"canary": f"c{'0' * 16}", "search": f"upheld{'0' * 8}"}


@dataclass(slots=True)
class Body:
    """A body for an operation: the template, why each property holds what it does, and what could not be known."""

    template: Any = None
    reasons: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    whole: bool = True
    """Whether it can be sent: nothing is unknown but where a canary could stand."""


def body_of(document: Document, operation: Operation, kinds: Mapping[str, str]) -> Body:
    """A body with what the operation must be sent, and a canary in what somebody would write.

    `kinds` says which kind of object properties of that name identify.
    """
    schemas = Schemas(document)
    schema, examples = schemas.body_and_examples(
        operation, "json" if any("json" in one for one in operation.media_types) else FORM
    )
    maker = _Maker(schemas, kinds)
    body = Body(reasons=maker.reasons, unknown=maker.unknown)
    if (many := maker.required_in(schema)) > MOST:
        return Body({}, unknown=[f"the body, which must have {many} properties"], whole=False)
    maker.marked, maker.must = maker.place_of_canary(schema)
    body.template, trial = maker.made(schema, "", "", examples)
    body.whole = not body.unknown
    if not maker.marked:
        body.unknown.append("which property of the body a canary can stand in")
    if body.whole:
        with contextlib.suppress(Unobservable):  # Without a validator the target's answer will tell.
            body.whole = schemas.allows(schema, trial)
        if not body.whole:
            body.unknown.append("a body that its schema allows, which what follows from the examples and types is not")
    return body


class _Maker:
    """Makes one body; `marked` is the path of the property that gets the canary."""

    def __init__(self, schemas: Schemas, kinds: Mapping[str, str]) -> None:
        self._schemas = schemas
        self._kinds = kinds
        self.marked = ""
        self.must = False
        self.reasons: list[str] = []
        self.unknown: list[str] = []

    # --- which properties there are --------------------------------------------------------------------------------

    def required_in(self, schema: Any) -> int:
        """How many scalar properties a body must have."""
        return sum(required for _, _, required, _ in self._scalars(schema, "", "", True, 0))

    def place_of_canary(self, schema: Any) -> tuple[str, bool]:
        """The path of the property that takes any text, and is likeliest to be shown, by its name; and whether it must be there."""
        free: list[tuple[bool, bool, int, str]] = []
        for path, name, required, leaf in self._scalars(schema, "", "", True, 0):
            fits = leaf.get("type") == "string" and not (leaf.get("format") or "enum" in leaf or "const" in leaf)
            if not fits or self._is_identifier(name, leaf) or leaf.get("readOnly"):
                continue
            rank = _TEXTS.index(name) if name in _TEXTS else len(_TEXTS)
            if (required or name in _TEXTS) and self._takes(leaf):
                narrow = "[]" in path or bool(leaf.get("pattern"))
                free.append((not required, narrow, rank, path))
        optional, _, _, path = min(free, key=lambda one: one[:3], default=(True, True, 0, ""))
        return path, not optional

    @staticmethod
    def _takes(leaf: Mapping[str, Any]) -> bool:
        """Whether a text property takes a canary."""
        return any(_fits(leaf, str(fill(one, _MADE_UP))) for one in (CANARY, _BARE))

    def _scalars(
        self, raw: Any, path: str, name: str, required: bool, depth: int
    ) -> Iterator[tuple[str, str, bool, Mapping[str, Any]]]:
        """Each scalar property: its path, its name, whether it must be there, and what it may be."""
        leaf = self._schemas.leaf(raw)
        if depth > _DEPTH:
            return
        if isinstance(leaf.get("properties"), Mapping):
            needed = self._needed(raw)
            for key, part in leaf["properties"].items():
                inner = f"{path}.{key}".lstrip(".")
                yield from self._scalars(part, inner, str(key), required and key in needed, depth + 1)
        elif leaf.get("type") == "array" or "items" in leaf:
            yield from self._scalars(leaf.get("items") or {}, f"{path}[]", name, required, depth + 1)
        elif path:
            yield path, name, required, leaf

    def _needed(self, raw: Any, depth: int = 0) -> set[str]:
        """The names of the properties that an object must have, by all that its schema is put together of."""
        node = self._schemas.resolved(raw)
        found = {str(one) for one in node.get("required") or () if isinstance(node.get("required"), list)}
        parts = [one for one in node.get("allOf") or () if isinstance(node.get("allOf"), list)]
        for word in ("anyOf", "oneOf"):
            several = node.get(word)
            first = (
                [one for one in several if self._schemas.resolved(one).get("type") != "null"]
                if isinstance(several, list)
                else []
            )
            parts += first[:1]
        if depth < _DEPTH:
            for part in parts:
                found |= self._needed(part, depth + 1)
        return found

    def _is_identifier(self, name: str, leaf: Mapping[str, Any]) -> bool:
        return leaf.get("format") == "uuid" or names_identifier(name)

    # --- what they hold --------------------------------------------------------------------------------------------

    def made(self, raw: Any, path: str, name: str, examples: list[Any], depth: int = 0) -> tuple[Any, Any]:
        """The template of a value that `raw` allows, and the value with something in each placeholder; notes what is not known."""
        leaf = self._schemas.leaf(raw)
        examples = [*examples, *_examples(leaf)]
        if depth > _DEPTH:
            self.unknown.append(f"what {path or 'the body'} is to hold, which is nested too deeply")
            return None, None
        if path and path == self.marked:
            template = CANARY if _fits(leaf, str(fill(CANARY, _MADE_UP))) else _BARE
            self.reasons.append(f"{path}: a text{' that it must have' if self.must else ''}, for the canary")
            return template, fill(template, _MADE_UP)
        kind = leaf.get("type")
        if isinstance(leaf.get("properties"), Mapping):
            return self._object(raw, leaf, path, examples, depth)
        if kind == "array" or "items" in leaf:
            return self._array(leaf, path, name, examples, depth)
        if kind == "object":
            given = next(
                (one for one in (*_constants(leaf), *examples) if isinstance(one, Mapping) and _literal(one)), {}
            )
            return given, given
        return self._scalar(leaf, path, name, examples)

    def _object(
        self, raw: Any, leaf: Mapping[str, Any], path: str, examples: list[Any], depth: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        needed = self._needed(raw)
        template: dict[str, Any] = {}
        trial: dict[str, Any] = {}
        for key, part in leaf["properties"].items():
            inner = f"{path}.{key}".lstrip(".")
            on_the_way = self.marked == inner or self.marked.startswith((f"{inner}.", f"{inner}[]"))
            if key not in needed and not on_the_way:
                continue
            given = [one[key] for one in examples if isinstance(one, Mapping) and key in one]
            before = len(self.unknown)
            value, tried = self.made(part, inner, str(key), given, depth + 1)
            if len(self.unknown) == before or value is not None:
                template[key], trial[key] = value, tried
        return template, trial

    def _array(
        self, leaf: Mapping[str, Any], path: str, name: str, examples: list[Any], depth: int
    ) -> tuple[list[Any], list[Any]]:
        items = leaf.get("items") or {}
        inner = f"{path}[]"
        whole = next(
            (one for one in (*_constants(leaf), *examples) if isinstance(one, list) and one and _literal(one)), None
        )
        scalar = not isinstance(self._schemas.leaf(items).get("properties"), Mapping)
        if (
            whole is not None
            and scalar
            and not self._is_identifier(name, self._schemas.leaf(items))
            and self.marked != inner
        ):
            self.reasons.append(f"{path}: must be there; the example of the document")
            return whole, whole
        given = [one[0] for one in examples if isinstance(one, list) and one]
        before = len(self.unknown)
        value, tried = self.made(items, inner, name, given, depth + 1)
        if len(self.unknown) > before and value is None:
            if not leaf.get("minItems"):  # Then none at all is a valid list, and nothing need be known.
                del self.unknown[before:]
                self.reasons.append(f"{path}: must be there; a list of nothing")
            return [], []
        least = leaf.get("minItems") if isinstance(leaf.get("minItems"), int) else 1
        count = max(1, min(least or 1, MOST))
        return [value] * count, [tried] * count

    def _scalar(self, leaf: Mapping[str, Any], path: str, name: str, examples: list[Any]) -> tuple[Any, Any]:
        found = next(self._values(leaf, name, examples), None)
        if found is None:
            self.unknown.append(f"what {path} is to hold")
            return None, None
        template, trial, why = found
        self.reasons.append(f"{path}: must be there; {why}")
        return template, trial

    def _values(self, leaf: Mapping[str, Any], name: str, examples: list[Any]) -> Iterator[tuple[Any, Any, str]]:
        """What it may hold, the best first: the template, a value of its kind, and why it is that one."""
        kind, form = str(leaf.get("type", "")), str(leaf.get("format", ""))
        default = leaf.get("default")
        if "const" in leaf:
            yield leaf["const"], leaf["const"], "the only value that it may have"
        if isinstance(listed := leaf.get("enum"), list):
            if default is not None and default in listed:
                yield default, default, "its default"
            yield from ((one, one, "the first of the values that it may have") for one in listed if one is not None)
            return
        if self._is_identifier(name, leaf):
            found = self._kinds.get(name) or self._kinds.get(name.removesuffix("s"))
            if found and name != "id":
                trial: Any = 1 if kind in {"integer", "number"} else generated()["uuid"]
                yield f"{{{found}}}", trial, "the identifier of an object of that kind"
            return
        given = [(one, "the example of the document") for one in examples] + [(default, "its default")]
        given = [each for each in given if _stands(leaf, kind, each[0])]
        new = form in _NEW or (kind == "string" and _ONCE.search(name) is not None)
        if not new:
            yield from ((one, one, why) for one, why in given)
        yield from self._made_up(leaf, kind, form)
        yield from ((one, one, why) for one, why in given)

    @staticmethod
    def _made_up(leaf: Mapping[str, Any], kind: str, form: str) -> Iterator[tuple[Any, Any, str]]:
        if form in _VALUES and _fits(leaf, sample := _filled(_VALUES[form])):
            yield _VALUES[form], sample, f"made up for its format {form}"
        elif kind == "boolean":
            yield False, False, "made up for its type boolean"
        elif kind in {"integer", "number"}:
            number = _number(leaf, whole=kind == "integer")
            yield number, number, f"made up for its type {kind}"
        elif kind == "string" and form not in {"binary", "byte"}:
            for template in _texts(leaf):
                if _fits(leaf, sample := _filled(template)):
                    yield template, sample, f"made up for its {'pattern' if leaf.get('pattern') else 'type string'}"


def _examples(leaf: Mapping[str, Any]) -> list[Any]:
    """The examples that a schema has, by OpenAPI 3.0 and 3.1."""
    several = leaf.get("examples")
    found = [leaf["example"]] if leaf.get("example") is not None else []
    return [*found, *(several if isinstance(several, list) else ())]


def _constants(leaf: Mapping[str, Any]) -> list[Any]:
    return [leaf[word] for word in ("const", "default") if leaf.get(word) is not None]


def _literal(value: Any) -> bool:
    """Whether a value can stand in a template as it is: nothing in it would be taken for a placeholder."""
    return not _PLACEHOLDER.search(json.dumps(value))


def _stands(leaf: Mapping[str, Any], kind: str, value: Any) -> bool:
    """Whether an example or a default can stand where the schema has it."""
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
    }
    if value is None or isinstance(value, Mapping | list) or not _literal(value):
        return False
    if not isinstance(value, kinds.get(kind, (object,))) or (kind in {"integer", "number"} and isinstance(value, bool)):
        return False
    return not isinstance(value, str) or _fits(leaf, value)


def _filled(template: str) -> str:
    return str(fill(template, {**generated(), **_MADE_UP}))


def _fits(leaf: Mapping[str, Any], text: str) -> bool:
    """Whether a text is as long as it may be and as the pattern says; one that cannot be read fits nothing."""
    least, most = leaf.get("minLength") or 0, leaf.get("maxLength")
    if not isinstance(least, int) or len(text) < least or (isinstance(most, int) and len(text) > most):
        return False
    pattern = leaf.get("pattern")
    return not isinstance(pattern, str) or _matches(pattern, text)


def _matches(pattern: str, text: str) -> bool:
    """Whether a stranger's pattern matches; one that takes longer and longer, or cannot be read, matches nothing."""
    try:
        compiled = re.compile(pattern)
        for end in range(8, len(text), 4):
            began = time.perf_counter()
            compiled.search(text[:end])
            if time.perf_counter() - began > _PATTERN_SECONDS:
                return False
        return compiled.search(text) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def _texts(leaf: Mapping[str, Any]) -> Iterator[str]:
    """Templates of texts, the one most likely to be taken first."""
    if isinstance(leaf.get("pattern"), str):
        yield from _TRIED
    least, most = leaf.get("minLength"), leaf.get("maxLength")
    yield "x{random}"
    if isinstance(least, int) and 17 < least <= 10_000:
        yield "x{random}" + "x" * (least - 17)
    yield "{digits}"
    if isinstance(most, int) and most < 17:
        yield "x" * max(1, min(most, least if isinstance(least, int) and least else most))


def _number(leaf: Mapping[str, Any], *, whole: bool) -> float:
    """The number nearest to 1 within the bounds."""
    step = leaf.get("multipleOf")
    step = step if isinstance(step, int | float) and not isinstance(step, bool) and step > 0 else 1 if whole else 0
    small = 1 if whole else 0.5
    lowest = [_float(leaf.get("minimum"), 0), _float(leaf.get("exclusiveMinimum"), small)]
    highest = [_float(leaf.get("maximum"), 0), _float(leaf.get("exclusiveMaximum"), -small)]
    low = max((one for one in lowest if one is not None), default=None)
    high = min((one for one in highest if one is not None), default=None)
    number: float = 1
    if low is not None:
        number = max(number, low)
    if high is not None:
        number = min(number, high)
    if step:
        number = -(-number // step) * step if low is not None or high is None else number // step * step
    return int(number) if whole or number == int(number) else number


def _float(bound: Any, more: float) -> float | None:
    """A bound moved by `more`; None where there is none."""
    return bound + more if isinstance(bound, int | float) and not isinstance(bound, bool) else None
