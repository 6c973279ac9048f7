"""The forge's API: who may ask what, and the paths that it answers."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from upheld_reference.forge import answers, organisation_routes, repository_routes
from upheld_reference.forge.accounts import OWNER
from upheld_reference.forge.answers import Refusal, missing
from upheld_reference.forge.world import REPOSITORY, World
from upheld_reference.platform import Asgi, Message, Receive, Scope, Send

Right = str
"""A permission of a token: metadata, contents, pull_requests, actions, checks, deployments, members, administration."""
Endpoint = Callable[[World, Request], Response]

ALL_RIGHTS = frozenset(
    {"metadata", "contents", "pull_requests", "actions", "checks", "deployments", "members", "administration"}
)
"""Everything that may be read."""
_LIMIT = 5000


def build(world: World, tokens: Mapping[str, frozenset[Right]]) -> Asgi:
    """The API over ``world``; ``tokens`` says what each token may read."""
    table = [*organisation_routes.ROUTES, *repository_routes.ROUTES]
    app = Starlette(
        routes=[Route(path, _answering(world, tokens, right, endpoint)) for path, right, endpoint in table],
        exception_handlers={HTTPException: _http, Refusal: _refused},
    )
    return _Door(app, tokens)


def _answering(
    world: World, tokens: Mapping[str, frozenset[Right]], right: Right, endpoint: Endpoint
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            _check_owner(request)
            granted = tokens[token_of(request.headers.get("authorization", "")) or ""]
            if right not in granted:
                raise Refusal(403, "Resource not accessible by personal access token")
            return endpoint(world, request)
        except Refusal as refusal:
            return answers.error(refusal)

    return answer


def _check_owner(request: Request) -> None:
    """There is one organisation with one repository."""
    parameters = request.path_params
    if parameters.get("owner", OWNER).lower() != OWNER or parameters.get("org", OWNER).lower() != OWNER:
        raise missing()
    if parameters.get("repo", REPOSITORY).lower() != REPOSITORY:
        raise missing()


def token_of(header: str) -> str | None:
    """The token of an Authorization header, by either of the schemes ``Bearer`` and ``token``."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() in {"bearer", "token"} and token.strip() else None


async def _http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return answers.error(Refusal(status, "Not Found" if status in {404, 405} else "Bad Request"))


async def _refused(_request: Request, error: Exception) -> Response:
    return answers.error(error if isinstance(error, Refusal) else missing())


class _Door:
    """Lets nobody in but the owners of tokens, for reading only, and counts what they ask."""

    def __init__(self, app: Asgi, tokens: Mapping[str, frozenset[Right]]) -> None:
        self.app = app
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        token = token_of(request.headers.get("authorization", ""))
        answer: Asgi = self.app
        if "authorization" not in request.headers:
            # GitHub hides what is private from those who do not say who they are.
            answer = answers.error(missing())
        elif token is None or not any(hmac.compare_digest(token.encode(), known.encode()) for known in self.tokens):
            answer = answers.error(Refusal(401, "Bad credentials"))
        elif scope["method"] not in {"GET", "HEAD"}:
            answer = answers.error(Refusal(403, "Resource not accessible by personal access token"))

        async def send_with_limit(message: Message) -> None:
            if message["type"] == "http.response.start":
                limit = str(_LIMIT).encode()
                message["headers"] = [
                    *message["headers"],
                    (b"x-ratelimit-limit", limit),
                    (b"x-ratelimit-remaining", limit),
                ]
            await send(message)

        await answer(scope, receive, send_with_limit)
