"""How the API says no: one JSON shape, nothing of the request repeated, nothing of the inside told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from upheld_reference.api.models import ErrorBody
from upheld_reference.logs import app_log
from upheld_reference.vault.errors import VaultError

_SCHEMA = {"$ref": "#/components/schemas/ErrorBody"}


def refusal(description: str) -> dict[str, Any]:
    """The OpenAPI description of an answer in the one shape.

    It refers to the schema, which `add_schema` puts in its place: a model given here would be built anew for every
    status of every operation, which took a third of the start.
    """
    return {"description": description, "content": {"application/json": {"schema": _SCHEMA}}}


def add_schema(document: dict[str, Any]) -> None:
    """Adds the schema that `refusal` refers to, to an OpenAPI document."""
    document.setdefault("components", {}).setdefault("schemas", {})["ErrorBody"] = ErrorBody.model_json_schema()


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: refusal(description)
    for status, description in {
        400: "The body cannot be read",
        401: "No valid access token",
        403: "The role may not do this",
        404: "Not in this workspace",
        409: "The rules or another change forbid it",
        413: "The body is too large",
        422: "The request is not as described",
        429: "Too many requests",
        503: "The database or the vault does not answer",
    }.items()
}
"""The refusals that every operation may answer with."""


def unauthenticated(reason: str = "a valid access token is needed") -> HTTPException:
    """A 401 (RFC 6750 §3)."""
    return HTTPException(401, reason, {"WWW-Authenticate": 'Bearer realm="rivet"'})


def not_found() -> HTTPException:
    """A 404: the same for what does not exist and for what belongs to another workspace."""
    return HTTPException(404, "not found")


def add_to(app: FastAPI) -> None:
    """Has ``app`` answer every error in the one shape."""
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(psycopg.OperationalError)(_unavailable)
    app.exception_handler(VaultError)(_no_vault)
    app.exception_handler(psycopg.IntegrityError)(_conflict)
    app.exception_handler(Exception)(_crash)


async def _http(_request: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": str(error.detail)}, error.status_code, dict(error.headers or {}))


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    details = [{"where": _place(item["loc"]), "message": item["msg"]} for item in error.errors()[:20]]
    app_log.info("%s refused: %s", _operation(request), "; ".join(item["type"] for item in error.errors()[:20]))
    return JSONResponse({"error": "the request is not as described", "details": details}, 422)


def _place(location: Sequence[Any]) -> str:
    """Where a field is; the names of unknown fields are the client's own words and stay out."""
    return ".".join(str(part)[:60].encode("ascii", "replace").decode("ascii") for part in location)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    app_log.error("%s found no database: %s", _operation(request), type(error).__name__)
    return JSONResponse({"error": "temporarily unavailable"}, 503, {"Retry-After": "1"})


async def _no_vault(request: Request, error: Exception) -> JSONResponse:
    app_log.error("%s got nothing from the vault: %s", _operation(request), error)
    return JSONResponse({"error": "temporarily unavailable"}, 503, {"Retry-After": "1"})


async def _conflict(request: Request, error: Exception) -> JSONResponse:
    # What a request refers to was there when it was looked at, and is gone now that it is used.
    app_log.info("%s met a conflict: %s", _operation(request), type(error).__name__)
    return JSONResponse({"error": "something else changed at the same time; try again"}, 409)


async def _crash(request: Request, error: Exception) -> JSONResponse:
    app_log.error("%s failed", _operation(request), exc_info=error)
    return JSONResponse({"error": "something went wrong here"}, 500)


def _operation(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "operation_id", "no operation"))
