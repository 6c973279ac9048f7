"""The web pages' templates and how they become HTML."""

from __future__ import annotations

from importlib import resources
from typing import Any

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from upheld_reference.platform import Platform


def source(name: str) -> str:
    """The template ``name``, or the style sheet, as it lies in the package."""
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


_environment = jinja2.Environment(
    loader=jinja2.FunctionLoader(lambda name: source(name)),  # noqa: PLW0108 - the function of that name at the time of use
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)


def render(platform: Platform, name: str, **values: Any) -> str:
    """The HTML of the template ``name`` with the platform's own addresses and ``values``."""
    addresses = {key: platform.listeners[key].url for key in ("www", "status")}
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


async def style_sheet(_request: Request) -> Response:
    """The pages' style sheet."""
    return Response(source("site.css"), media_type="text/css")
