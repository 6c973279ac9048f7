"""The website, and the listener that sends plain HTTP there."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from upheld_reference.edge import pages, security_txt
from upheld_reference.platform import Platform


def build(platform: Platform) -> Starlette:
    """The application of the listener ``www``."""
    return Starlette(
        routes=[
            _page(platform, "/", "home.html"),
            _page(platform, "/security", "security.html"),
            _page(platform, "/privacy", "privacy.html"),
            Route("/site.css", pages.style_sheet, methods=["GET"]),
            security_txt.route(platform),
        ],
        exception_handlers=pages.errors(platform),
    )


def build_redirect(platform: Platform) -> Starlette:
    """The application of the listener ``www-http``: the same path and query on the website, over HTTPS."""
    secure = platform.listeners["www"].url

    async def redirect(request: Request, _refusal: Exception | None = None) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{secure}{path}{'?' if query else ''}{query}", status_code=308)

    async def everything(request: Request) -> Response:
        return await redirect(request)

    # What the route does not match (a line break in the path, an odd method) is redirected all the same.
    return Starlette(routes=[Route("/{path:path}", everything)], exception_handlers={HTTPException: redirect})


def _page(platform: Platform, path: str, template: str) -> Route:
    html = pages.render(platform, template)

    async def serve(_request: Request) -> Response:
        return HTMLResponse(html)

    return Route(path, serve, methods=["GET"], name=template)
