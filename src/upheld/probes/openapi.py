"""Reading an OpenAPI 3.0 or 3.1 or a Swagger 2.0 document: which operations there are.

The document is data that a stranger sent: its size, its depth, its aliases and its references are bounded, and only references
inside of it and to files beside it are followed. Whatever cannot be read is Unobservable, with the reason.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from upheld.errors import Refused, Unobservable
from upheld.probes import foreign_yaml
from upheld.probes.openapi_parts import file_below, gather
from upheld.probes.operations import FORM, Document, Operation, Parameter, Property, declared, names_identifier
from upheld.probes.swagger import as_openapi

if TYPE_CHECKING:
    from upheld.probes.http_client import HttpClient
    from upheld.target.endpoints import Endpoint

__all__ = [
    "FORM",
    "Document",
    "Operation",
    "Parameter",
    "Property",
    "answered",
    "asked",
    "declared",
    "load",
    "names_identifier",
    "of_file",
    "parse",
]

SIZE_LIMIT = 5 * 1024 * 1024
"""Bytes of a document that are read."""
DEPTH_LIMIT = 12
"""How deep the properties of a request body are followed; deeper ones are named as unread."""
OPERATIONS_LIMIT = 5_000
"""Operations that a document may have."""
BODY_LIMIT = 5_000
"""Schemas that are looked at for one request body; where there are more, the rest of it is named as unread."""
SCHEMAS_LIMIT = 500_000
"""Schemas that are looked at for all request bodies of a document together."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def load(
    where: str, endpoint: Endpoint, folder: Path, client: HttpClient, headers: Mapping[str, str] | None = None
) -> Document:
    """The document at `where`: a URL, a path of `endpoint` (it starts with a slash) or a file relative to `folder`.

    It may be made of several files, which lie below its folder or `folder`, or at the endpoint. `headers` go to the endpoint only. Raises Unobservable when it cannot be had or read.
    """
    if where.startswith(("http://", "https://", "/")):
        base = endpoint.url.rstrip("/")
        url = where if "://" in where else f"{base}{where}"
        answer = client.send("GET", url, headers=headers if url.startswith(f"{base}/") else None)
        if answer.status != 200:
            raise Refused(f"the OpenAPI document at {url} answered {answer.status}")

        part = _parts()

        def fetched(there: str) -> Any:
            with contextlib.suppress(Unobservable):
                # A document sends nobody elsewhere than to the endpoint that it is of.
                if there.startswith(f"{base}/"):
                    more = client.send("GET", there, headers=headers)
                    return part(more.text) if more.status == 200 else None
            return None

        return parse(answer.text, url, fetched)
    return of_file(where, folder)


def of_file(where: str, folder: Path) -> Document:
    """The document in a file relative to `folder`; raises Unobservable when it cannot be read."""
    path = folder / where.removeprefix("file:")
    roots = [path.parent, *([folder] if folder != Path(folder.anchor) else [])]

    part = _parts()

    def opened(there: str) -> Any:
        with contextlib.suppress(OSError, UnicodeDecodeError, Unobservable):
            found = file_below(there, *roots)
            if found is not None and found.stat().st_size <= SIZE_LIMIT:
                return part(found.read_text("utf-8-sig"))
        return None

    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise Unobservable(f"the OpenAPI document {where} is larger than {SIZE_LIMIT} bytes")
        return parse(path.read_text("utf-8-sig"), path.resolve().as_uri(), opened)
    except (OSError, UnicodeDecodeError) as error:
        raise Unobservable(f"the OpenAPI document {where} cannot be read: {type(error).__name__}") from None


def parse(text: str, where: str = "", read: Callable[[str], Any] | None = None) -> Document:
    """The document in `text`, JSON or YAML; raises Unobservable when it is none, or is not Swagger 2.0 or OpenAPI 3.0 or 3.1.

    With `read`, which gives what stands at a URL, references to other files are followed, from the document's own URL `where`.
    """
    data: Any = _data(text)
    if not isinstance(data, dict):
        raise Unobservable("the OpenAPI document is no object")
    if read is not None:
        gather(data, where, read)
    if str(data.get("swagger", "")) == "2.0":
        try:
            data = as_openapi(data)
        except RecursionError:
            raise Unobservable("the OpenAPI document is nested too deeply") from None
    version = str(data.get("openapi", ""))
    if not re.match(r"3\.[01]\.", version):
        found = f"OpenAPI {version}" if version else f"Swagger {data['swagger']}" if "swagger" in data else "no version"
        raise Unobservable(f"the OpenAPI document must be of version 2.0, 3.0 or 3.1; it has {found}")
    return Document(tuple(_Reader(data).operations()), data)


def answered(document: Document, operation: Operation) -> tuple[Property, ...]:
    """What the document says of the JSON that an operation answers with when it works; nothing where it says nothing."""
    reader, described = _described(document, operation)
    answers = described.get("responses")
    for status, raw in sorted((answers if isinstance(answers, Mapping) else {}).items(), key=lambda one: str(one[0])):
        if str(status).startswith("2") and (found := _of_json(reader, raw)):
            return found
    return ()


def asked(document: Document, operation: Operation) -> tuple[Property, ...]:
    """The properties of an operation's body, with those that a body must have, also where there may be none."""
    reader, described = _described(document, operation)
    return _of_json(reader, described.get("requestBody")) or operation.body


def _described(document: Document, operation: Operation) -> tuple[_Reader, Mapping[str, Any]]:
    reader = _Reader(document.data)
    paths = document.data.get("paths")
    prefix = reader.prefix()
    raw = paths.get(operation.path.removeprefix(prefix)) if isinstance(paths, Mapping) else None
    return reader, reader.resolved(reader.resolved(raw).get(operation.method.lower()))


def _of_json(reader: _Reader, raw: Any) -> tuple[Property, ...]:
    content = reader.resolved(raw).get("content")
    for media, one in (content if isinstance(content, Mapping) else {}).items():
        if str(media).partition(";")[0].endswith("json") and isinstance(one, Mapping):
            # Of several forms a property may have, the first counts.
            return tuple(
                {each.path: each for each in reversed(tuple(reader.properties(one.get("schema") or {})))}.values()
            )[::-1]
    return ()


def _parts() -> Callable[[str], Any]:
    """Gives what stands in the further files of one document, which together are no larger than a document may be."""
    left = SIZE_LIMIT

    def part(text: str) -> Any:
        nonlocal left
        left -= len(text)
        return _data(text) if left >= 0 else None

    return part


def _data(text: str) -> Any:
    if len(text) > SIZE_LIMIT:
        raise Unobservable(f"the OpenAPI document is larger than {SIZE_LIMIT} characters")
    try:
        if text.lstrip("\ufeff \t\r\n").startswith("{"):
            return json.loads(text.lstrip("\ufeff"))
        return _as_json(foreign_yaml.load(text, "the OpenAPI document"))
    except ValueError as error:
        raise Unobservable(f"the OpenAPI document is neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise Unobservable("the OpenAPI document is nested too deeply") from None


def _as_json(node: Any) -> Any:
    # YAML has keys that JSON has not: `200:` under responses is a number.
    if isinstance(node, dict):
        return {str(key): _as_json(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_as_json(item) for item in node]
    return node


class _Reader:
    """Walks one document. References that lead nowhere, out of it or round in a circle are noted and not followed."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._unread: list[str] = []
        self._looked_at = 0
        self._looked_at_before = 0

    def operations(self) -> Iterator[Operation]:
        prefix = self.prefix()
        paths = self._data.get("paths", {})
        if not isinstance(paths, Mapping):
            raise Unobservable("the OpenAPI document's paths are no object")
        seen: set[str] = set()
        for path, raw in paths.items():
            item = self.resolved(raw)
            for method in METHODS:
                operation = item.get(method)
                if not isinstance(operation, Mapping):
                    continue
                one = self._operation(f"{prefix}{path}", method, item, operation)
                if one.id in seen:
                    raise Unobservable(f"the OpenAPI document has two operations called {one.id}")
                seen.add(one.id)
                if len(seen) > OPERATIONS_LIMIT:
                    raise Unobservable(f"the OpenAPI document has more than {OPERATIONS_LIMIT} operations")
                yield one

    def prefix(self) -> str:
        """The path of the first server, before every operation's own."""
        # Only the path of a server is taken: where to connect is the target's to say.
        servers = self._data.get("servers")
        first = servers[0] if isinstance(servers, list) and servers else {}
        url = str(first.get("url", "")) if isinstance(first, Mapping) else ""
        variables = first.get("variables", {}) if isinstance(first, Mapping) else {}
        for name, one in variables.items() if isinstance(variables, Mapping) else ():
            url = url.replace(f"{{{name}}}", str(one.get("default", "")) if isinstance(one, Mapping) else "")
        return urlsplit(url).path.rstrip("/")

    def _operation(self, path: str, method: str, item: Mapping[str, Any], operation: Mapping[str, Any]) -> Operation:
        self._unread = []
        self._looked_at_before = self._looked_at
        merged: dict[tuple[str, str], Parameter] = {}
        for raw in (*_list(item.get("parameters")), *_list(operation.get("parameters"))):
            one = self.resolved(raw)
            schema = self.resolved(one.get("schema") or {})
            name, where = str(one.get("name", "")), str(one.get("in", ""))
            if name and where:
                kind, form = self._kind(schema)
                merged[where, name.lower() if where == "header" else name] = Parameter(
                    name, where, bool(one.get("required")), kind, form
                )
        # A path names parameters that a sloppy document forgets to declare.
        in_path = re.findall(r"\{([^{}]+)\}", path)
        order = {name: index for index, name in enumerate(in_path)}
        for name in in_path:
            merged.setdefault(("path", name), Parameter(name, "path", required=True, type="string", format=""))
        parameters = sorted(
            (one for one in merged.values() if one.where != "path" or one.name in order),
            key=lambda one: (one.where != "path", order.get(one.name, 0)),
        )
        body, media = self._body(operation)
        security = operation.get("security", self._data.get("security"))
        return Operation(
            id=str(operation.get("operationId") or f"{method} {path}"),
            method=method.upper(),
            path=path,
            # An empty requirement among several makes the credential optional.
            public=not security or any(not one for one in _list(security)),
            parameters=tuple(parameters),
            body=body,
            has_body=bool(media),
            media_types=media,
            unread=tuple(dict.fromkeys(self._unread)),
        )

    def _body(self, operation: Mapping[str, Any]) -> tuple[tuple[Property, ...], tuple[str, ...]]:
        body = self.resolved(operation.get("requestBody") or {})
        content = body.get("content")
        if not isinstance(content, Mapping):
            return (), ()
        found: dict[str, Property] = {}
        for media in content.values():
            if isinstance(media, Mapping):
                for one in self._properties(media.get("schema") or {}, "", bool(body.get("required")), 0, ()):
                    found.setdefault(one.path, one)
        return tuple(found.values()), tuple(str(name) for name in content)

    def properties(self, schema: Any) -> Iterator[Property]:
        """Every scalar property of a schema."""
        return self._properties(schema, "", True, 0, ())

    def _properties(
        self, raw: Any, path: str, required: bool, depth: int, above: tuple[str, ...]
    ) -> Iterator[Property]:
        reference = raw.get("$ref") if isinstance(raw, Mapping) else None
        # References that fan out make a few lines stand for more schemas than could ever be looked at.
        self._looked_at += 1
        if self._looked_at > SCHEMAS_LIMIT:
            raise Unobservable(f"the OpenAPI document has more than {SCHEMAS_LIMIT:,} schemas in its request bodies")
        if self._looked_at - self._looked_at_before > BODY_LIMIT:
            self._unread.append(f"the body has more than {BODY_LIMIT:,} schemas")
            return
        if depth > DEPTH_LIMIT or (isinstance(reference, str) and reference in above):
            self._unread.append(f"body {path or '(whole)'} goes deeper than {DEPTH_LIMIT} or refers to itself")
            return
        above = (*above, reference) if isinstance(reference, str) else above
        schema = self.resolved(raw)
        nested = False
        for word in ("allOf", "anyOf", "oneOf"):
            for part in _list(schema.get(word)):
                if isinstance(part, Mapping) and part.get("type") != "null":
                    nested = True
                    yield from self._properties(part, path, required and word == "allOf", depth + 1, above)
        properties = schema.get("properties")
        needed = {str(name) for name in _list(schema.get("required"))}
        if isinstance(properties, Mapping):
            nested = True
            for name, part in properties.items():
                yield from self._properties(
                    part, f"{path}.{name}".lstrip("."), required and name in needed, depth + 1, above
                )
        items = schema.get("items", (_list(schema.get("prefixItems")) or [None])[0])
        if isinstance(items, Mapping):
            nested = True
            yield from self._properties(items, f"{path}[]", required, depth + 1, above)
        if not nested and path:
            kind, form = self._kind(schema)
            listed = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
            yield Property(path, kind, form, required, tuple(one for one in listed if isinstance(one, str)))

    def _kind(self, schema: Mapping[str, Any]) -> tuple[str, str]:
        kinds = [str(one) for one in (_list(schema.get("type")) or [schema.get("type") or ""]) if one != "null"]
        for word in ("anyOf", "oneOf", "allOf"):
            for part in _list(schema.get(word)):
                inner = self.resolved(part)
                if not (kinds and kinds[0]) and inner.get("type") not in (None, "null"):
                    return str(inner.get("type")), str(inner.get("format", ""))
        return (kinds[0] if kinds else ""), str(schema.get("format", ""))

    def resolved(self, node: Any) -> Mapping[str, Any]:
        """`node` with its own reference followed, through at most 20 others."""
        for _ in range(20):
            if not isinstance(node, Mapping):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            if not reference.startswith("#/"):
                self._unread.append(f"the reference {reference} leads out of the document")
                return {}
            target: Any = self._data
            for part in reference[2:].split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                if isinstance(target, Mapping):
                    target = target.get(key)
                elif isinstance(target, list) and key.isdecimal() and int(key) < len(target):
                    target = target[int(key)]
                else:
                    target = None
            if target is None:
                self._unread.append(f"the reference {reference} leads nowhere")
                return {}
            node = target
        self._unread.append("references lead round in a circle")
        return {}


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []
