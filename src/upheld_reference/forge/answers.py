"""How the forge answers: pages with links, tags, errors in its own words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

DOCUMENTATION = "https://docs.github.com/rest"
VERSION = "2022-11-28"
"""The version of the API that it answers in."""
_DEFAULT_PAGE, _LONGEST_PAGE = 30, 100
_NUMBER = re.compile(r"[0-9]{1,9}")

Item = TypeVar("Item")


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        """Carries the status and the words."""
        super().__init__(message)
        self.status = status
        self.message = message


def missing() -> Refusal:
    """What does not exist, or what the token may not know of."""
    return Refusal(404, "Not Found")


def error(refusal: Refusal) -> Response:
    """An error as the forge writes it."""
    body = {"message": refusal.message, "documentation_url": DOCUMENTATION, "status": str(refusal.status)}
    return plain(body, refusal.status)


def plain(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer with the headers that every one has."""
    content = json.dumps(body, separators=(",", ":")).encode("utf-8")
    return Response(
        content,
        status,
        {
            "x-github-media-type": "github.v3; format=json",
            "x-github-api-version-selected": VERSION,
            "x-content-type-options": "nosniff",
            "cache-control": "private, max-age=60, s-maxage=60",
            **(headers or {}),
        },
        media_type="application/json; charset=utf-8",
    )


def tagged(request: Request, body: Any, headers: dict[str, str] | None = None) -> Response:
    """An answer with an entity tag; 304 without content to a client that has it already (RFC 9110 §13.1.2)."""
    content = json.dumps(body, separators=(",", ":"))
    tag = f'W/"{hashlib.sha256(content.encode()).hexdigest()}"'
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(None, 304, {"etag": tag})
    return plain(body, headers={"etag": tag, **(headers or {})})


def query(request: Request) -> dict[str, str]:
    """The query by name; of a name that comes twice, the last."""
    return dict(request.query_params)


def page(
    request: Request,
    found: Sequence[Item],
    show: Callable[[Item], Any],
    within: str | None = None,
) -> Response:
    """The page of ``found`` that was asked for, with links to the others (RFC 8288).

    With ``within`` the list is in an object, under that name and beside the total. A page or a length that is no number
    counts as none.
    """
    size = max(1, min(_number(request, "per_page", _DEFAULT_PAGE), _LONGEST_PAGE))
    number = max(1, _number(request, "page", 1))
    last = max(1, -(-len(found) // size))
    shown = [show(one) for one in found[(number - 1) * size : number * size]]
    links: dict[str, int] = {}
    if number > 1:
        links |= {"prev": min(number - 1, last), "first": 1}
    if number < last:
        links |= {"next": number + 1, "last": last}
    header = ", ".join(f'<{_at(request, target)}>; rel="{name}"' for name, target in links.items())
    body = {"total_count": len(found), within: shown} if within else shown
    return tagged(request, body, {"link": header} if header else None)


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, "")
    return int(value) if _NUMBER.fullmatch(value) else default


def _at(request: Request, number: int) -> str:
    values = {**dict(request.query_params), "page": str(number)}
    return f"{request.url.scheme}://{request.url.netloc}{request.url.path}?{urlencode(values)}"
