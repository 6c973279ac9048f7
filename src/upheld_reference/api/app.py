"""Putting the API together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse

from upheld_reference.api import errors, roles
from upheld_reference.api.routes import (
    accounts,
    audit_log,
    automation,
    billing,
    conversations,
    deliveries,
    integrations,
    members,
    records,
    workspaces,
)
from upheld_reference.platform import Asgi, Message, Receive, Scope, Send
from upheld_reference.services import Services

_BODY_BYTES = 64 * 1024


class BodyLimit:
    """ASGI middleware that refuses bodies of more than 64 KiB with a 413."""

    def __init__(self, app: Asgi) -> None:
        """Wraps ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > _BODY_BYTES:
                await JSONResponse({"error": "the body is too large"}, 413)(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        sent = False

        async def receive_whole() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_whole, send)


class Api(FastAPI):
    """The API; its OpenAPI document says which operations are public."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        if self.openapi_schema is None:
            document = super().openapi()
            errors.add_schema(document)
            for path in document["paths"].values():
                for operation in path.values():
                    if operation["operationId"] in roles.PUBLIC_OPERATIONS:
                        operation["security"] = []
        return super().openapi()


def build(services: Callable[[], Services]) -> Api:
    """The API over what ``services`` returns once the first request comes."""
    app = Api(
        title="Rivet API",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.add_middleware(BodyLimit)
    errors.add_to(app)
    for module in (
        accounts,
        workspaces,
        members,
        billing,
        conversations,
        automation,
        records,
        integrations,
        deliveries,
        audit_log,
    ):
        # One flat list: the rate limit tells paths apart by it, and FastAPI nests the routers that it includes.
        app.router.routes.extend(module.router.routes)
    return app
