"""A stand-in for Meta's Graph API, as far as Embedded Signup and sending messages need it."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from upheld_reference.platform import Asgi, Message, Receive, Scope, Send

_CODE = re.compile(r"AQ[A-Za-z0-9_-]{20,200}")


def token_for(code: str) -> str:
    """The access token that ``code`` is exchanged for: always the same, and with the code's characters in it."""
    return f"EAAG{code.removeprefix('AQ')}{hashlib.sha256(code.encode()).hexdigest()[:16]}"


def account_for(code: str) -> dict[str, str]:
    """The ids of the account that signed up with ``code``."""
    digits = str(int(hashlib.sha256(code.encode()).hexdigest(), 16))
    return {"waba_id": digits[:15], "phone_number_id": digits[15:30]}


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": {"message": text, "type": "OAuthException", "code": status}}, status)


async def exchange(request: Request) -> JSONResponse:
    """Exchanges a sign-up code: ``AQfail…`` fails, ``AQgarbage…`` gets an answer that lacks what it should have."""
    form = parse_qs((await request.body()).decode("latin-1"))
    code = form.get("code", [""])[0]
    if not _CODE.fullmatch(code):
        return _error(400, "Invalid verification code format.")
    if code.startswith("AQfail"):
        return _error(500, f"An unexpected error has occurred while verifying {code}. Please retry your request later.")
    if code.startswith("AQgarbage"):
        unexpected: dict[str, Any] = {"access_token": token_for(code), "granular_scopes": [{"scope": None}], "??": "<"}
        return JSONResponse(unexpected)
    return JSONResponse({"access_token": token_for(code), "token_type": "bearer", **account_for(code)})


async def subscribe(request: Request) -> JSONResponse:
    """Subscribes the caller to an account's events."""
    return JSONResponse({"success": True}) if _has_token(request) else _error(401, "Invalid OAuth access token.")


async def send_message(request: Request) -> JSONResponse:
    """Takes a message for delivery."""
    if not _has_token(request):
        return _error(401, "Invalid OAuth access token.")
    body = await request.json()
    return JSONResponse({"messaging_product": "whatsapp", "contacts": [{"input": body.get("to")}]})


def _has_token(request: Request) -> bool:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    return (token or request.query_params.get("access_token", "")).startswith("EAAG")


def fingerprint(token: str) -> str:
    """The first 16 hexadecimal digits of the token's SHA-256."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()[:16]


def _fingerprint_of(scope: Scope) -> str:
    token = Headers(scope=scope).get("authorization", "").removeprefix("Bearer ")
    return fingerprint(token) if token else "-"


class _RequestLog:
    """Writes the request line of each call, query included, as the access log of a web server at Meta would.

    With it goes the fingerprint of the bearer token, by which an auditor sees which of two tokens a call was made with.
    """

    def __init__(self, app: Asgi, path: Path) -> None:
        self.app = app
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_noting_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
                now = datetime.now(UTC)
                line = f'{now:%Y-%m-%dT%H:%M:%SZ} "{scope["method"]} {scope["path"]}{query}" {message["status"]}'
                line += f" token-sha256={_fingerprint_of(scope)}\n"
                with self.path.open("a", encoding="utf-8", errors="backslashreplace") as log:
                    log.write(line)
            await send(message)

        await self.app(scope, receive, send_noting_status)


def build(logs: Path) -> Asgi:
    """The stand-in; what it is asked goes to graph-access.log in the folder ``logs``."""
    app = Starlette(
        routes=[
            Route("/oauth/access_token", exchange, methods=["POST"]),
            Route(r"/{waba_id:int}/subscribed_apps", subscribe, methods=["POST"]),
            Route(r"/{phone_number_id:int}/messages", send_message, methods=["POST"]),
        ]
    )
    return _RequestLog(app, logs / "graph-access.log")
