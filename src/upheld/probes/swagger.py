"""Reading a Swagger 2.0 document as the OpenAPI 3 document that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_FORM = "application/x-www-form-urlencoded"
_UPLOAD = "multipart/form-data"
_JSON = ("application/json",)
_OF_PARAMETERS = frozenset({"name", "in", "required", "description", "allowEmptyValue", "collectionFormat"})
_DEPTH = 100


def as_openapi(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document in the form of OpenAPI 3.0: bodies, schemas, media types, security and the base path moved to where that has them.

    Raises RecursionError when it is nested too deeply.
    """
    data = _map(_moved(data))  # Once for all: what many operations share stays one.
    consumes, produces = _texts(data.get("consumes")) or _JSON, _texts(data.get("produces")) or _JSON
    shared = _map(data.get("parameters"))
    paths: dict[str, Any] = {}
    for path, raw in _map(data.get("paths")).items():
        item = _map(raw)
        common = [_followed(one, shared) for one in _list(item.get("parameters"))]
        made: dict[str, Any] = {}
        for method in _METHODS:
            if isinstance(item.get(method), Mapping):
                made[method] = _operation(item[method], common, shared, consumes, produces)
        paths[str(path)] = made
    components = {
        "schemas": dict(_map(data.get("definitions"))),
        "securitySchemes": dict(_map(data.get("securityDefinitions"))),
    }
    found = {
        "openapi": "3.0.3",
        "info": dict(_map(data.get("info"))),
        "servers": [{"url": str(data.get("basePath") or "/")}],
        "paths": paths,
        "components": components,
    }
    if "security" in data:
        found["security"] = data["security"]
    return found


def _operation(
    raw: Mapping[str, Any],
    common: list[Mapping[str, Any]],
    shared: Mapping[str, Any],
    consumes: tuple[str, ...],
    produces: tuple[str, ...],
) -> dict[str, Any]:
    own = [_followed(one, shared) for one in _list(raw.get("parameters"))]
    # An operation's own parameter stands for one of its path with the same name and place.
    named = {(one.get("in"), one.get("name")): one for one in (*common, *own)}
    consumes = _texts(raw.get("consumes")) or consumes
    produces = _texts(raw.get("produces")) or produces
    found: dict[str, Any] = {
        key: raw[key] for key in ("operationId", "security", "summary", "deprecated") if key in raw
    }
    found["parameters"] = [_parameter(one) for one in named.values() if one.get("in") not in {"body", "formData"}]
    body = next((one for one in named.values() if one.get("in") == "body"), None)
    fields = [one for one in named.values() if one.get("in") == "formData"]
    if body is not None:
        schema = dict(_map(body.get("schema")))
        found["requestBody"] = {
            "required": bool(body.get("required")),
            "content": {media: {"schema": schema} for media in consumes},
        }
    elif fields:
        schema = {
            "type": "object",
            "properties": {str(one.get("name")): _schema(one) for one in fields},
            "required": [str(one.get("name")) for one in fields if one.get("required")],
        }
        upload = any(one.get("type") == "file" for one in fields)
        found["requestBody"] = {"content": {(_UPLOAD if upload else _FORM): {"schema": schema}}}
    responses: dict[str, Any] = {}
    for status, one in _map(raw.get("responses")).items():
        answer = _map(one)
        schema = dict(_map(answer.get("schema")))
        responses[str(status)] = {"content": {media: {"schema": schema} for media in produces}} if schema else {}
    found["responses"] = responses
    return found


def _parameter(one: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: one[key] for key in ("name", "in", "required", "description") if key in one}
    return {**kept, "schema": _schema(one)}


def _schema(one: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: item for key, item in one.items() if key not in _OF_PARAMETERS}
    return {**found, "type": "string", "format": "binary"} if found.get("type") == "file" else found


def _followed(raw: Any, shared: Mapping[str, Any]) -> Mapping[str, Any]:
    one = _map(raw)
    reference = one.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/parameters/"):
        return _map(shared.get(reference.rpartition("/")[2]))
    return one


def _moved(node: Any, depth: int = 0) -> Any:
    """A schema whose references lead to where OpenAPI 3 keeps definitions."""
    if depth > _DEPTH:
        raise RecursionError
    if isinstance(node, Mapping):
        return {
            str(key): item.replace("#/definitions/", "#/components/schemas/")
            if key == "$ref" and isinstance(item, str)
            else _moved(item, depth + 1)
            for key, item in node.items()
        }
    return [_moved(one, depth + 1) for one in node] if isinstance(node, list) else node


def _map(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []


def _texts(node: Any) -> tuple[str, ...]:
    return tuple(one for one in _list(node) if isinstance(one, str))
