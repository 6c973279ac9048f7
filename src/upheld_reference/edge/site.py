"""The website."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from upheld_reference.edge import pages, security_txt
from upheld_reference.platform import Platform


def build(platform: Platform, signer: security_txt.Signer) -> Starlette:
    """The application of the listener ``www``; ``signer`` signs its security.txt."""
    app = Starlette(
        routes=[
            _page(platform, "/", "home.html"),
            _page(platform, "/security", "security.html"),
            _page(platform, "/privacy", "privacy.html"),
            *pages.common_routes(),
            *security_txt.routes(platform, signer),
        ],
        exception_handlers=pages.errors(platform),
    )
    app.router.redirect_slashes = False  # Starlette would send browsers to whatever host the request names
    return app


def _page(platform: Platform, path: str, template: str) -> Route:
    html = pages.render(platform, template)

    async def serve(_request: Request) -> Response:
        return HTMLResponse(html)

    return Route(path, serve, methods=["GET"], name=template)
