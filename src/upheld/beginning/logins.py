"""The ways to log in that an OpenAPI document names, as a target describes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from upheld.probes.openapi import Document

_PASSWORD = {"grant_type": "password", "username": "{username}", "password": "{password}"}
_CLIENT = {"grant_type": "client_credentials", "client_id": "{client}", "client_secret": "{secret}"}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


def named_logins(document: Document, url: str) -> dict[str, dict[str, Any]]:
    """Each login by a name of ours, from the document's security schemes; `url` is the endpoint's.

    What says too little is left out: a bearer token of which nobody knows how it is got, a flow in a browser, a token of another host.
    """
    found: dict[str, dict[str, Any]] = {}
    components = document.data.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    for scheme in schemes.values() if isinstance(schemes, Mapping) else ():
        if isinstance(scheme, Mapping):
            for name, login in _logins(scheme, url):
                found.setdefault(name, login)
    return found


def _logins(scheme: Mapping[str, Any], url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = scheme.get("type")
    if kind == "basic" or (kind == "http" and str(scheme.get("scheme")).lower() == "basic"):
        yield "basic", {"scheme": "basic"}
    elif kind == "apiKey" and scheme.get("in") in {"header", "query"} and _NAME.fullmatch(str(scheme.get("name"))):
        yield "key", {"scheme": str(scheme["in"]), "name": str(scheme["name"]), "value": "{api_key}"}
    elif kind == "oauth2":
        flows = scheme.get("flows")
        flows = flows if isinstance(flows, Mapping) else {scheme.get("flow"): scheme}
        for flow, name, form in (
            ("password", "oauth2", _PASSWORD),
            ("clientCredentials", "client", _CLIENT),
            ("application", "client", _CLIENT),
        ):
            described = flows.get(flow)
            path = _path(described.get("tokenUrl"), url) if isinstance(described, Mapping) else ""
            if path:
                yield name, {"path": path, "form": dict(form)}


def _path(there: object, url: str) -> str:
    """The path of a token's URL on the endpoint; empty where it is somewhere else."""
    if not isinstance(there, str) or not there:
        return ""
    base = urlsplit(url)
    try:
        found = urlsplit(urljoin(f"{url.rstrip('/')}/", there))
        same = (found.scheme, found.hostname, found.port) == (base.scheme, base.hostname, base.port)
    except ValueError:
        return ""
    return found.path if same and not re.search(r"[{}\s]", found.path) else ""
