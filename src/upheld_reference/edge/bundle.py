"""The script of the web application: the committed bundle and its source map (see client/README.md)."""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_MEDIA_TYPES = {"app.js": "text/javascript", "app.js.map": "application/json"}


def source(name: str) -> str:
    """The bundle or its map, as it lies in the package."""
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def routes() -> list[Route]:
    """The routes that serve bundle and map."""
    return [_file(name, media_type) for name, media_type in _MEDIA_TYPES.items()]


def _file(name: str, media_type: str) -> Route:
    content = source(name)

    async def serve(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers={"cache-control": "public, max-age=300"})

    return Route(f"/{name}", serve, methods=["GET"], name=name)
