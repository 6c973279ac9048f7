"""The requests that follow from what the OpenAPI document and the target say together of one operation."""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from upheld.errors import Unobservable
from upheld.probes.openapi import FORM, Operation, Parameter

if TYPE_CHECKING:
    from upheld.target.api import Api, ObjectRecipe, OperationRecipe
    from upheld.target.endpoints import Endpoint

JSON = "application/json"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"})
"""Methods that are meant to change nothing (RFC 9110, RFC 4918, RFC 3253, RFC 5323)."""
TENANT = "tenant"
"""The kind of reference that names a tenant."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_GENERATED = frozenset({"canary", "search", "uuid", "random", "digits"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is ready to be sent; `sent` holds the values that were filled in.

    `verify` is False only for one that carries no credential, and whose answer does not depend on who gives it.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    sent: tuple[str, ...] = ()
    verify: bool = True


def page_request(url: str) -> Request:
    """A GET of a public page. A bad certificate is for another check to find; it must not hide whether the page is limited."""
    return Request("GET", url, (), None, verify=False)


def kind_of(operation: str, name: str, api: Api) -> str:
    """The kind of object that a parameter or property of this name holds in `operation`; empty when the target says nothing."""
    named = api.parameters.get(f"{operation}.{name}") or api.parameters.get(name)
    return named or (TENANT if name == api.tenant_parameter else "")


def body_template(operation: Operation, api: Api) -> Any:
    """The body that the target gives for `operation`, with placeholders; None when it gives none."""
    recipe = body_recipe(operation, api)
    if recipe is None:
        return None
    return recipe.json_body if recipe.json_body is not None else recipe.form if recipe.form is not None else recipe.text


def makers(api: Api, operation: str) -> Sequence[tuple[str, ObjectRecipe]]:
    """The kinds of object that an operation creates, each with its recipe, in the target's order."""
    recipes = api.objects
    known = _MAKERS.get(id(recipes))
    if known is None or known[0] is not recipes:
        found: dict[str, list[tuple[str, ObjectRecipe]]] = {}
        for kind, recipe in recipes.items():
            found.setdefault(recipe.create, []).append((kind, recipe))
        if len(_MAKERS) >= _APIS_REMEMBERED:
            _MAKERS.clear()
        # The recipes are kept too, so that no others can come to have their identity.
        known = _MAKERS[id(recipes)] = recipes, found
    return known[1].get(operation, ())


_APIS_REMEMBERED = 64
_MAKERS: dict[int, tuple[Mapping[str, ObjectRecipe], Mapping[str, Sequence[tuple[str, ObjectRecipe]]]]] = {}
"""Who makes what, by the recipes of an API: each call asks for it, and an API may have hundreds of recipes."""


def body_recipe(operation: Operation, api: Api) -> OperationRecipe | ObjectRecipe | None:
    """The recipe that gives the body of `operation`; None where none does."""
    candidates = (
        api.operations.get(operation.id),
        *(recipe for _, recipe in makers(api, operation.id)),
    )
    for one in candidates:
        if one is not None and not (one.json_body is None and one.form is None and one.text is None):
            return one
    return None


def media_type(operation: Operation, api: Api) -> str:
    """The media type of the body that the target gives for `operation`: JSON, unless it gives a form or a text."""
    recipe = body_recipe(operation, api)
    if recipe is None or recipe.json_body is not None:
        return JSON
    return FORM if recipe.form is not None else recipe.media_type


def encoded(body: Any, media: str) -> tuple[bytes, str]:
    """A body as it is sent, and its Content-Type."""
    if media == FORM:
        return urlencode({str(key): str(one) for key, one in body.items()}).encode(), FORM
    return (json.dumps(body).encode(), JSON) if media == JSON else (str(body).encode(), media)


def json_of(request: Request) -> Any:
    """The JSON body of a request, an empty object where it has none; raises Unobservable for a body that is no JSON."""
    if request.content is None:
        return {}
    given = next((value for name, value in request.headers if name.lower() == "content-type"), JSON)
    if given.partition(";")[0].strip().lower() not in {JSON, ""}:
        raise Unobservable(f"its body is {given}, and only JSON bodies can be changed in one place")
    return json.loads(request.content)


def kinds_needed(operation: Operation, api: Api) -> tuple[str, ...]:
    """The kinds of object without which `operation` cannot be called, by its path and by the body's placeholders."""
    kinds = [kind_of(operation.id, one.name, api) for one in operation.path_parameters]
    kinds += [kind for _, kind in kinds_in(body_template(operation, api), "")]
    # Whoever makes an object whose identifier is chosen needs none of its kind.
    chosen = {name for name, one in makers(api, operation.id) if one.chosen is not None}
    return tuple(dict.fromkeys(kind for kind in kinds if kind in api.objects and kind not in chosen))


def fill(template: Any, values: Mapping[str, str]) -> Any:
    """`template` with each `{name}` replaced; raises Unobservable for a name that `values` has not."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise Unobservable(f"nothing is known to put in place of {match[0]}")
        return values[match[1]]

    if isinstance(template, str):
        return _PLACEHOLDER.sub(value, template)
    if isinstance(template, Mapping):
        return {str(key): fill(item, values) for key, item in template.items()}
    if isinstance(template, list | tuple):
        return [fill(item, values) for item in template]
    return template


def generated() -> dict[str, str]:
    """Fresh values for `{uuid}`, `{random}` and `{digits}`."""
    # Drawn at once: to draw is a call of the system, and each request has all three.
    drawn = secrets.token_bytes(32)
    return {
        "uuid": str(uuid.UUID(bytes=drawn[:16], version=4)),
        "random": drawn[16:24].hex(),
        "digits": str(int.from_bytes(drawn[24:]) % 900_000_000 + 100_000_000),
    }


def absent(parameter: Parameter) -> str:
    """An identifier of the parameter's type that names nothing."""
    if parameter.format == "uuid":
        return str(uuid.uuid4())
    if parameter.type in {"integer", "number"}:
        return str(2_000_000_000 + secrets.randbelow(100_000_000))
    return f"upheld-{secrets.token_hex(8)}"


def build(
    operation: Operation,
    api: Api,
    endpoint: Endpoint,
    values: Mapping[str, str],
    replaced: Mapping[str, str],
) -> Request:
    """The request that calls `operation` with `values` (by placeholder), some references `replaced` (by their label).

    Raises Unobservable when a value is missing.
    """
    path, sent = operation.path, []
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    recipe = api.operations.get(operation.id)
    if recipe is not None:
        query.update(fill(recipe.query, values))
        headers.update(fill(recipe.headers, values))
    for parameter in operation.parameters:
        value = replaced.get(f"{parameter.where} {parameter.name}")
        if value is None:
            kind = kind_of(operation.id, parameter.name, api)
            value = values.get(kind) if kind else api.values.get(parameter.name)
        wanted = parameter.where == "path" or parameter.required or f"{parameter.where} {parameter.name}" in replaced
        if not wanted or (value is None and parameter.where == "query" and parameter.name in query):
            continue
        if value is None:
            raise Unobservable(f"nothing is known to put into {parameter.where} {parameter.name} of {operation.id}")
        sent.append(value)
        if parameter.where == "path":
            path = path.replace(f"{{{parameter.name}}}", quote(value, safe=""))
        elif parameter.where == "query":
            query[parameter.name] = value
        elif parameter.where == "header":
            headers[parameter.name] = value
    content = None
    template = body_template(operation, api)
    if operation.has_body and template is not None:
        body = fill(template, values)
        for label, value in replaced.items():
            if label.startswith("body "):
                body = put(body, label.removeprefix("body "), value)
                sent.append(value)
        content, headers["Content-Type"] = encoded(body, media_type(operation, api))
    url = url_of(endpoint, path) + (f"?{urlencode(query)}" if query else "")
    return Request(operation.method, url, tuple(headers.items()), content, tuple(sent))


def build_harmless(
    operation: Operation, api: Api, endpoint: Endpoint, shape: Any = None, *, anonymous: bool = False
) -> Request:
    """A request to `operation` that changes nothing: identifiers that name nothing, and a body that is refused.

    With `shape` the body is that template, and every placeholder in it names nobody. Raises Unobservable for an
    operation that changes something whenever it is called; `anonymous` calls of one that asks for a credential do not.
    """
    path = operation.path
    query: dict[str, str] = {}
    recipe = api.operations.get(operation.id)
    headers: dict[str, str] = dict(recipe.headers) if recipe is not None else {}
    for parameter in operation.parameters:
        label = api.values.get(parameter.name) if not kind_of(operation.id, parameter.name, api) else None
        value = label if label is not None else absent(parameter)
        if parameter.where == "path":
            path = path.replace(f"{{{parameter.name}}}", quote(value, safe=""))
        elif parameter.where == "query" and parameter.required:
            query[parameter.name] = value
        elif parameter.where == "header" and parameter.required:
            headers[parameter.name] = value
    content = None
    names_nothing = any(kind_of(operation.id, one.name, api) for one in operation.path_parameters)
    media = media_type(operation, api)
    if operation.has_body and media == JSON:
        headers["Content-Type"] = JSON
        # JSON, but no object, is refused wherever bodies are validated.
        content = json.dumps("upheld" if shape is None else fill(shape, _Nobody(generated()))).encode()
    elif operation.has_body and media == FORM:
        # A form without its fields is shown again.
        content, headers["Content-Type"] = encoded({} if shape is None else fill(shape, _Nobody(generated())), FORM)
    elif operation.has_body and not (anonymous and not operation.public):
        raise Unobservable(f"any text may be a valid {media}, so that a burst of it would do harm")
    elif operation.method not in SAFE_METHODS and not names_nothing and not (anonymous and not operation.public):
        raise Unobservable("it changes something whenever it is called, so that a burst of it would do harm")
    url = url_of(endpoint, path) + (f"?{urlencode(query)}" if query else "")
    return Request(operation.method, url, tuple(headers.items()), content)


class _Nobody(dict[str, str]):
    """Values that name nobody: an unknown placeholder gets a mail address, which passes as a name and as a password."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return f"upheld-{secrets.token_hex(6)}@example.com"


def url_of(endpoint: Endpoint, path: str) -> str:
    """The URL of `path` at `endpoint`; a path of the endpoint's own URL stands before it once."""
    parts = urlsplit(endpoint.url)
    prefix = parts.path.rstrip("/")
    if prefix and not path.startswith(f"{prefix}/"):
        path = prefix + path
    return f"{parts.scheme}://{parts.netloc}{path}"


def put(body: Any, path: str, value: Any) -> Any:
    """`body` with `value` at `path`; of an array the last item is changed, and what is missing on the way is made."""
    name, _, rest = path.partition(".")
    arrays = name.count("[]")
    name = name.removesuffix("[]" * arrays) if arrays else name
    made = dict(body) if isinstance(body, Mapping) else {}
    if not name:
        return _put_in_array(body, arrays, rest, value)
    inner = made.get(name)
    made[name] = _put_in_array(inner, arrays, rest, value) if arrays else (put(inner, rest, value) if rest else value)
    return made


def _put_in_array(items: Any, arrays: int, rest: str, value: Any) -> Any:
    if not arrays:
        return put(items, rest, value) if rest else value
    made = list(items) if isinstance(items, list) and items else [None]
    made[-1] = _put_in_array(made[-1], arrays - 1, rest, value)
    return made


def kinds_in(template: Any, path: str) -> list[tuple[str, str]]:
    """Each place of a body template that is nothing but a placeholder for an identifier, with the placeholder's name."""
    if isinstance(template, str):
        match = _PLACEHOLDER.fullmatch(template)
        return [(path, match[1])] if match and match[1] not in _GENERATED else []
    if isinstance(template, Mapping):
        return [found for key, item in template.items() for found in kinds_in(item, f"{path}.{key}".lstrip("."))]
    if isinstance(template, list | tuple):
        return list(dict.fromkeys(found for item in template for found in kinds_in(item, f"{path}[]")))
    return []
