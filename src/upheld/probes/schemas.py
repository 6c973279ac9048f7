"""What an OpenAPI document allows: the JSON Schemas of an operation's parameters and body, and whether a value is as they say."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from upheld.probes.openapi import Document, Operation

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
# Formats that everybody reads alike, and of which values can be told from others without a library for each.
_FORMATS = ("uuid", "date", "ipv4", "ipv6")
_REFERENCES = 20
_DEPTH = 60

Schema = Mapping[str, Any]


class Schemas:
    """The schemas of one document. Those of OpenAPI 3.0 are read as what they mean in 3.1."""

    def __init__(self, document: Document) -> None:
        """Reads nothing but `document`."""
        old = str(document.data.get("openapi", "")).startswith("3.0")
        self._data: Schema = _modern(document.data) if old else document.data
        self._document = document
        self._known: dict[str, Any] = {}
        self._choices: dict[str, dict[str, None]] | None = None
        self._raw = dict(self._operations())

    def parameter(self, operation: Operation, where: str, name: str) -> Schema:
        """The schema of a parameter; an empty one, which allows everything, where the document has none."""
        item, raw = self._raw.get(operation.id, ({}, {}))
        for one in (*_list(raw.get("parameters")), *_list(item.get("parameters"))):
            found = self.resolved(one)
            if (str(found.get("in")), str(found.get("name"))) == (where, name):
                schema = found.get("schema")
                return schema if isinstance(schema, Mapping) else {}
        return {}

    def body(self, operation: Operation) -> Schema:
        """The schema of the JSON body; an empty one where there is none."""
        return self.body_and_examples(operation)[0]

    def body_and_examples(self, operation: Operation, media: str = "json") -> tuple[Schema, list[Any]]:
        """The schema of the body of that media type, empty where there is none, and the examples of whole bodies."""
        _, raw = self._raw.get(operation.id, ({}, {}))
        content = self.resolved(raw.get("requestBody") or {}).get("content")
        for name, one in content.items() if isinstance(content, Mapping) else ():
            if media in str(name) and isinstance(one, Mapping) and isinstance(one.get("schema"), Mapping):
                several = [self.resolved(each).get("value") for each in _map(one.get("examples")).values()]
                return one["schema"], [each for each in (one.get("example"), *several) if each is not None]
        return {}, []

    def answers(self, operation: Operation, status: int) -> tuple[str, ...] | None:
        """The media types that the document declares for answers with `status`; None when it says nothing of such answers."""
        _, raw = self._raw.get(operation.id, ({}, {}))
        responses = raw.get("responses")
        if not isinstance(responses, Mapping):
            return None
        for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if key in responses:
                content = self.resolved(responses[key]).get("content")
                return tuple(str(one).partition(";")[0].strip().lower() for one in content or ())
        return None

    def allows(self, schema: Schema, value: Any) -> bool:
        """Whether `value` is as `schema` says; raises Unobservable for a schema that cannot be read, and without a validator."""
        try:
            jsonschema: Any = importlib.import_module("jsonschema")  # Late, so that `upheld` starts fast.
        except ImportError:
            raise Unobservable("jsonschema is not installed: pip install 'upheld[input]'") from None
        key = json.dumps(schema, sort_keys=True, default=str)
        try:
            if key not in self._known:
                whole = {"components": self._data.get("components", {}), "allOf": [schema]}
                self._known[key] = jsonschema.Draft202012Validator(
                    whole, format_checker=jsonschema.FormatChecker(_FORMATS)
                )
            return bool(self._known[key].is_valid(value))
        except Exception as error:  # Whatever is wrong with a stranger's schema, it says nothing about the value.
            raise Unobservable(f"a schema of the OpenAPI document cannot be read: {type(error).__name__}") from error

    def allows_text(self, schema: Schema, text: str) -> bool:
        """Whether a text, as it stands in a path, a query or a header, could be read as something that `schema` allows."""
        readings: list[Any] = [text]
        if re.fullmatch(r"-?[0-9]{1,300}", text):
            readings.append(int(text))
        elif re.fullmatch(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,2})?", text):
            readings.append(float(text))
        if text.lower() in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
            readings.append(True)
        return any(self.allows(schema, one) for one in readings)

    def leaf(self, schema: Any) -> Schema:
        """The schema with references followed and of alternatives the first that is not null, all in one."""
        found: dict[str, Any] = {}
        node = self.resolved(schema)
        for _ in range(_REFERENCES):
            found = {**found, **{key: item for key, item in node.items() if key not in {"allOf", "anyOf", "oneOf"}}}
            parts = [self.resolved(one) for word in ("anyOf", "oneOf") for one in _list(node.get(word))]
            together = [self.resolved(one) for one in _list(node.get("allOf"))]
            for one in together:
                found = {**one, **found, "properties": {**_map(one.get("properties")), **_map(found.get("properties"))}}
            following = next((one for one in parts if one.get("type") != "null"), None)
            if following is None:
                break
            node = following
        kind = found.get("type")
        if isinstance(kind, list):
            found["type"] = next((one for one in kind if one != "null"), "null")
        if not found.get("properties"):
            found.pop("properties", None)
        return found

    def choices(self, name: str) -> tuple[str, ...]:
        """Every value that the document allows anywhere for a property of this name, where it lists them."""
        if self._choices is None:
            self._choices = {}
            waiting: list[Any] = [_map(self._data.get("components")).get("schemas")]
            while waiting:
                node = waiting.pop()
                if isinstance(node, Mapping):
                    for key, item in node.items():
                        if isinstance(item, Mapping) and (listed := _list(self.leaf(item).get("enum"))):
                            self._choices.setdefault(key, {}).update(dict.fromkeys(str(one) for one in listed))
                        waiting.append(item)
                elif isinstance(node, list):
                    waiting += node
        return tuple(self._choices.get(name, ()))

    def resolved(self, node: Any) -> Schema:
        """`node` with its own reference inside the document followed; empty when that leads nowhere."""
        for _ in range(_REFERENCES):
            if not isinstance(node, Mapping):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self._data if reference.startswith("#/") else None
            for part in reference[2:].split("/"):
                node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return {}

    def _operations(self) -> Iterator[tuple[str, tuple[Schema, Schema]]]:
        # The document's own reader has checked that no two have the same id; a prefix of the path is not in the raw ones.
        ids = {(one.method.lower(), one.path): one.id for one in self._document.operations}
        for path, raw in _map(self._data.get("paths")).items():
            item = self.resolved(raw)
            for method, operation in item.items():
                if method in _METHODS and isinstance(operation, Mapping):
                    fallback = next((i for (m, p), i in ids.items() if m == method and p.endswith(str(path))), "")
                    yield str(operation.get("operationId") or fallback), (item, operation)


def _modern(node: Any, depth: int = 0) -> Any:
    """A schema of OpenAPI 3.0 as 3.1 writes it: `nullable` is a type, exclusive bounds are numbers."""
    if depth > _DEPTH:
        return node
    if isinstance(node, list):
        return [_modern(item, depth + 1) for item in node]
    if not isinstance(node, Mapping):
        return node
    made = {key: _modern(item, depth + 1) for key, item in node.items()}
    if made.pop("nullable", None) is True:
        if isinstance(made.get("enum"), list):
            made["enum"] = [*made["enum"], None]
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        else:
            made = {"anyOf": [made, {"type": "null"}]}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if made.get(exclusive) is True and bound in made:
            made[exclusive] = made.pop(bound)
        elif isinstance(made.get(exclusive), bool):
            del made[exclusive]
    return made


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []


def _map(node: Any) -> Schema:
    return node if isinstance(node, Mapping) else {}
