"""Guises in which a limited request is sent again, to see whether the limit falls to them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from upheld.probes.api_requests import Request


@dataclass(frozen=True, slots=True)
class Variant:
    """One guise. `same_resource`: it differs in headers only, so that it reaches the operation for certain."""

    name: str
    same_resource: bool


_LOOPBACK = "127.0.0.1"


def _address() -> str:
    return f"203.0.113.{random.randint(1, 254)}"  # noqa: S311  (RFC 5737: an address of nobody; nothing secret in it)


_HEADERS: dict[str, Callable[[], tuple[str, str]]] = {
    "X-Forwarded-For": lambda: ("X-Forwarded-For", _address()),
    "X-Forwarded-For with the loopback address": lambda: ("X-Forwarded-For", _LOOPBACK),
    "Forwarded": lambda: ("Forwarded", f"for={_address()}"),
    "X-Real-IP": lambda: ("X-Real-IP", _address()),
    "X-Client-IP": lambda: ("X-Client-IP", _address()),
    "True-Client-IP": lambda: ("True-Client-IP", _address()),
    "CF-Connecting-IP": lambda: ("CF-Connecting-IP", _address()),
}


def claimed_address() -> dict[str, str]:
    """Every header by which a client may say where it comes from, with one address that is nobody's."""
    address = _address()
    plain = [name for name in _HEADERS if " " not in name and name != "Forwarded"]
    return {**dict.fromkeys(plain, address), "Forwarded": f"for={address}"}


PATH_IN_OTHER_CASE = "path in other case"
TRAILING_SLASH = "trailing slash"
DOUBLE_SLASH = "double slash"
OTHER_VERSION = "another version of the API"
HEAD = "HEAD instead of GET"

VARIANTS: tuple[Variant, ...] = (
    *(Variant(name, same_resource=True) for name in _HEADERS),
    Variant(PATH_IN_OTHER_CASE, same_resource=False),
    Variant(TRAILING_SLASH, same_resource=False),
    Variant(DOUBLE_SLASH, same_resource=False),
    Variant(OTHER_VERSION, same_resource=False),
    Variant(HEAD, same_resource=False),
)
"""Every guise that can be asked for."""


def varied(request: Request, variant: str) -> Request:
    """`request` in that guise; raises KeyError for a name that is none of `VARIANTS`."""
    if variant in _HEADERS:
        return replace(request, headers=(*request.headers, _HEADERS[variant]()))
    if variant == HEAD:
        return replace(request, method="HEAD", content=None)
    parts = urlsplit(request.url)
    changes: dict[str, Callable[[str], str]] = {
        PATH_IN_OTHER_CASE: _other_case,
        TRAILING_SLASH: lambda path: path.removesuffix("/") if path.endswith("/") and path != "/" else f"{path}/",
        DOUBLE_SLASH: lambda path: f"/{path}",
        OTHER_VERSION: _other_version,
    }
    return replace(request, url=urlunsplit(parts._replace(path=changes[variant](parts.path))))


def applies(variant: Variant, method: str, path: str) -> bool:
    """Whether the guise makes another request of one with this method and path."""
    if variant.name == HEAD:
        return method == "GET"
    if variant.name == PATH_IN_OTHER_CASE:
        return _other_case(path) != path
    if variant.name == OTHER_VERSION:
        return _other_version(path) != path
    # The root has neither a slash to add nor one to take away.
    return variant.name != TRAILING_SLASH or path != "/"


def _other_version(path: str) -> str:
    """The path of the version before, or of the second one where there is none before."""
    return re.sub(
        r"(?<=/v)\d+(?=/|$)", lambda found: str(max(1, int(found[0]) - 1) if int(found[0]) > 1 else 2), path, count=1
    )


def _other_case(path: str) -> str:
    changed = path.upper()
    return changed if changed != path else path.lower()
