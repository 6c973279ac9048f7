"""The security.txt file: how to report a vulnerability (RFC 9116)."""

from __future__ import annotations

import datetime as dt

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from upheld_reference.platform import Platform

PATH = "/.well-known/security.txt"
"""Where the file is (RFC 9116 §3)."""
MEDIA_TYPE = "text/plain; charset=utf-8"
"""What the file is served as (RFC 9116 §3)."""
_VALIDITY = dt.timedelta(days=180)

Field = tuple[str, str]
"""A field's name and value."""


def fields(platform: Platform, now: dt.datetime) -> list[Field]:
    """The file's fields, in order; it expires half a year after ``now`` (RFC 9116 §2.5.5 asks for less than a year)."""
    www = platform.listeners["www"].url
    return [
        ("Contact", "mailto:security@rivetsoftware.dev"),
        ("Contact", f"{www}/security#responsible-disclosure"),
        ("Expires", (now + _VALIDITY).strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("Preferred-Languages", "en"),
        ("Canonical", f"{www}{PATH}"),
        ("Policy", f"{www}/security#responsible-disclosure"),
    ]


def route(platform: Platform) -> Route:
    """The route that serves the file."""
    lines = [f"{name}: {value}\n" for name, value in fields(platform, dt.datetime.now(dt.UTC))]
    body = "".join(["# Found a vulnerability in Rivet? Tell us here.\n", *lines]).encode()

    async def serve(_request: Request) -> Response:
        return Response(body, headers={"content-type": MEDIA_TYPE})

    return Route(PATH, serve, methods=["GET"], name="security.txt")
