"""Reading what a browser sends: cookies, forms and queries, each checked against a model before anything is done."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from upheld_reference.api import plans
from upheld_reference.api.bodies import Email, Password, Text
from upheld_reference.edge.webapp.sessions import BrowserSessions
from upheld_reference.logs import security_log

SESSION_COOKIE = "__Host-rivet_session"
"""Names the session of somebody who is logged in. The prefix binds it to this host and to HTTPS (RFC 6265bis §4.1.3.2)."""
LOGIN_COOKIE = "__Host-rivet_login"
"""Ties the login form to the browser that it was given to, before there is a session."""

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginQuery(_Sent):
    """The query of the login page: an address that a link may fill in, as typed."""

    email: str = ""


class LoginForm(_Sent):
    """What the login page sends."""

    csrf: str
    email: Email
    password: Password


class LogoutForm(_Sent):
    """What the button that logs out sends."""

    csrf: str


class RetentionForm(_Sent):
    """For how many days the workspace wants its logs kept."""

    csrf: str
    days: Annotated[int, Field(ge=plans.RETENTION_DAYS_AT_LEAST, le=plans.RETENTION_DAYS_AT_MOST)]


class SettingsQuery(_Sent):
    """Whether the settings page comes after a change."""

    saved: Literal["retention"] | None = None


class InboxQuery(_Sent):
    """Which conversation the inbox shows, and which words it is searched for."""

    conversation: UUID | None = None
    q: Text | None = None


_Model = TypeVar("_Model", bound=BaseModel)


def set_cookie(response: Response, name: str, value: str) -> None:
    """Gives the browser a cookie that goes with it, that no script reads and no other site sends along."""
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="strict")


def delete_cookie(response: Response, name: str) -> None:
    """Takes a cookie back; browsers mind the prefix also when they delete one."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="strict")


def query(request: Request, model: type[_Model]) -> _Model:
    """The query of the request; raises a 400 when it is not as ``model`` says."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if value]
    try:
        return model.model_validate(_once(pairs))
    except ValidationError:
        raise HTTPException(400, "the address is not as it should be") from None


async def read(request: Request) -> dict[str, str]:
    """The fields of a form; raises a 415 for another media type, a 400 for what is no form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise HTTPException(415, f"a form is sent as {_FORM}")
    try:
        text = (await request.body()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise HTTPException(400, "the form cannot be read") from None
    return _once(pairs)


def parsed(fields: Mapping[str, str], model: type[_Model]) -> _Model:
    """The form; raises a 422 when it is not as ``model`` says."""
    try:
        return model.model_validate(fields)
    except ValidationError:
        raise HTTPException(422, "the form is not as it should be") from None


def must_be_ours(
    request: Request, own: str, fields: Mapping[str, str], sessions: BrowserSessions, cookie_name: str
) -> None:
    """Raises a 403 for a form that was not sent by a page of ``own``, this very site, given to this very browser.

    The browser's own word on where the request comes from counts (Fetch Metadata §2.4, else RFC 6454 §7), and the form
    must carry the token that belongs to the cookie.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    elsewhere = origin not in {None, own} if site is None else site != "same-origin"
    cookie = request.cookies.get(cookie_name)
    given = fields.get("csrf", "")
    if cookie is None or not hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), sessions.csrf_token(cookie).encode("ascii")
    ):
        elsewhere = True
    if elsewhere:
        security_log.warning("a form for %s was refused: it does not come from this site", request.url.path)
        raise HTTPException(403, "this form has expired, or does not come from here")


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The fields by name; raises a 400 when one comes twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise HTTPException(400, "a field comes twice")
    return fields
