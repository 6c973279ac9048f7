"""The web pages' templates and how they become HTML."""

from __future__ import annotations

from importlib import resources
from typing import Any

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from upheld_reference.edge.monitor import HEALTH_PATH
from upheld_reference.platform import Platform

_MEDIA_TYPES = {"site.css": "text/css", "logo.svg": "image/svg+xml"}
_AN_HOUR = "public, max-age=3600"


def source(name: str) -> str:
    """The template ``name``, the style sheet or the logo, as it lies in the package."""
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


_environment = jinja2.Environment(
    loader=jinja2.FunctionLoader(lambda name: source(name)),  # noqa: PLW0108 - the function of that name at the time of use
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(platform: Platform, name: str, **values: Any) -> str:
    """The HTML of the template ``name`` with the platform's own addresses and ``values``."""
    addresses = {key: platform.listeners[key].url for key in ("www", "app", "status")}
    return _environment.get_template(name).render(**addresses, **values)


def errors(platform: Platform) -> dict[Any, Any]:
    """Starlette's exception handlers: a page for what does not exist, plain text for anything else."""
    page = render(platform, "not_found.html")

    async def refuse(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return PlainTextResponse("internal error\n", status_code=500)
        if error.status_code == 404:
            return HTMLResponse(page, status_code=404)
        return PlainTextResponse(f"{error.detail}\n", status_code=error.status_code, headers=error.headers)

    return {HTTPException: refuse, Exception: refuse}


def common_routes() -> list[Route]:
    """What every site serves: the style sheet, the logo, and that it is well."""
    return [
        *(_static(name, media_type) for name, media_type in _MEDIA_TYPES.items()),
        Route(HEALTH_PATH, _health, methods=["GET"], name="health"),
    ]


def _static(name: str, media_type: str) -> Route:
    async def serve(_request: Request) -> Response:
        return Response(source(name), media_type=media_type, headers={"cache-control": _AN_HOUR})

    return Route(f"/{name}", serve, methods=["GET"], name=name)


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})
