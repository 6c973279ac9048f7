"""What answers in plain HTTP: browsers are sent to HTTPS, programs are told no."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from upheld_reference.platform import Platform


def build_redirect(platform: Platform, secure: str) -> Starlette:
    """Sends every request to the same path and query of the listener called ``secure``, over HTTPS."""
    url = platform.listeners[secure].url

    async def redirect(request: Request, _refusal: Exception | None = None) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{url}{path}{'?' if query else ''}{query}", status_code=308)

    async def everything(request: Request) -> Response:
        return await redirect(request)

    # What the route does not match (a line break in the path, an odd method) is redirected all the same.
    return Starlette(routes=[Route("/{path:path}", everything)], exception_handlers={HTTPException: redirect})


def build_refusal() -> Starlette:
    """Refuses every request with an empty 403.

    A redirect would let a program that was set up with ``http:`` send its tokens in the clear for ever without anybody
    noticing; a refusal is noticed the first time.
    """

    async def refuse(_request: Request, _refusal: Exception | None = None) -> Response:
        return Response(status_code=403, headers={"connection": "close"})

    async def everything(request: Request) -> Response:
        return await refuse(request)

    return Starlette(routes=[Route("/{path:path}", everything)], exception_handlers={HTTPException: refuse})
