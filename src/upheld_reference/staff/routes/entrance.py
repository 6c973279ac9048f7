"""Logging in and out, and passwords."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from upheld_reference.api import errors
from upheld_reference.staff import acting, logins, models, resets
from upheld_reference.staff.acting import PrivilegedRoute, Staff

router = APIRouter(responses=errors.RESPONSES, route_class=PrivilegedRoute)


@router.post("/v1/challenges", operation_id="startLogin", response_model=models.Challenge, status_code=201)
async def start_login(request: Request, body: models.PasswordIn) -> dict[str, Any]:
    """Exchanges the password for a challenge, which is no session."""
    return await logins.challenge(request, body.email, body.password)


@router.post("/v1/sessions", operation_id="finishLogin", response_model=models.Session, status_code=201)
async def finish_login(request: Request, body: models.CodeIn) -> dict[str, Any]:
    """Exchanges a challenge and the second factor's code for a session."""
    return await logins.session(request, body.challenge, body.code)


@router.post("/v1/password-resets", operation_id="requestPasswordReset", response_model=models.Sent, status_code=202)
async def request_password_reset(request: Request, body: models.ResetIn) -> dict[str, Any]:
    """Sends a link to the address, if it is an account's."""
    await resets.send_link(request, body.email, f"{request.app.state.url()}/reset")
    return {}


@router.post(
    "/v1/password-resets/completion",
    operation_id="completePasswordReset",
    responses={200: {"model": models.Reset, "description": "The password is set"}},
)
async def complete_password_reset(request: Request, body: models.NewPasswordIn) -> Response:
    """Sets a password with a link and the second factor's code; logging in comes after."""
    return JSONResponse(await resets.complete(request, body.token, body.new_password, body.code))


@router.get("/v1/me", operation_id="getStaffMe", response_model=models.StaffMe)
async def get_me(caller: Staff, request: Request) -> dict[str, Any]:
    """The caller."""
    async with acting.act(request, f"account:{caller.account_id}"):
        return {"id": caller.account_id, "name": caller.name, "email": caller.email, "role": caller.role}


@router.delete("/v1/sessions/current", operation_id="logOut", status_code=204)
async def log_out(caller: Staff, request: Request) -> Response:
    """Ends the session."""
    async with acting.act(request, f"account:{caller.account_id}") as doing:
        query = "UPDATE staff.sessions SET revoked_at = now() WHERE digest = %s"
        await doing.db.execute(query, [caller.session_digest])
    return Response(status_code=204)
