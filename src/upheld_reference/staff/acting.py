"""Doing something on the console, and the entry that it leaves in the audit log, whatever becomes of it.

What succeeds is recorded in its own transaction by `act`; what is refused or fails, by the route, in another one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Depends, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from upheld_reference.api import errors
from upheld_reference.api.routing import PathRoute
from upheld_reference.audit import log
from upheld_reference.audit.log import Entry, Outcome
from upheld_reference.database.scope import Connection
from upheld_reference.logs import security_log
from upheld_reference.staff import console as consoles
from upheld_reference.staff import roles
from upheld_reference.staff.console import Console

NOBODY = "service:staff-console"
"""The actor of what somebody does who is not known."""

_bearer = HTTPBearer(auto_error=False, scheme_name="session")


class RecordedRefusalError(HTTPException):
    """A refusal that is in the audit log already."""


@dataclass
class Act:
    """Something that is being done, in one transaction."""

    db: Connection
    """The transaction."""
    actor: str
    """Who does it."""
    target: str
    """To what."""
    workspace_id: UUID | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


async def record(db: Connection, entry: Entry) -> None:
    """Adds ``entry`` in the transaction of what it tells of."""
    await log.record(db, entry)


async def record_refusal(console: Console, entry: Entry) -> None:
    """Adds ``entry`` about what was refused or failed, in a transaction of its own."""
    await console.audit.record(entry)


@asynccontextmanager
async def act(
    request: Request,
    target: str | None = None,
    *,
    reason: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> AsyncIterator[Act]:
    """One transaction that ends with an entry for the operation of ``request``; on an exception neither stands."""
    async with consoles.of(request).pool.connection() as db:
        doing = Act(db, actor_of(request), target or _target(request), _workspace(request), reason, dict(details or {}))
        yield doing
        await record(
            db,
            Entry(
                doing.actor,
                roles.OPERATIONS[_operation(request)].action,
                doing.target,
                "done",
                doing.workspace_id,
                doing.reason,
                doing.details,
            ),
        )


class PrivilegedRoute(PathRoute):
    """A route whose refusals and failures are recorded."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the audit log around it."""
        handle = super().get_route_handler()

        async def audited(request: Request) -> Response:
            try:
                return await handle(request)
            except (RecordedRefusalError, psycopg.OperationalError):  # without a database there is no audit log either
                raise
            except RequestValidationError:
                await _refuse(request, "refused", "not as described")
                raise
            except HTTPException as error:
                await _refuse(request, "refused", str(error.detail), error.status_code)
                raise
            except Exception:
                await _refuse(request, "failed", "a fault of the console")
                raise

        return audited


def known_as(request: Request, account_id: UUID) -> None:
    """Says who is acting before there is a session, for the entries of ``request``."""
    request.state.actor = f"staff:{account_id}"
    request.state.target = f"account:{account_id}"


def actor_of(request: Request) -> str:
    """Who is acting, as the audit log names them."""
    return str(getattr(request.state, "actor", NOBODY))


@dataclass(frozen=True)
class Caller:
    """Somebody with a session and a role that may do this."""

    account_id: UUID
    name: str
    email: str
    role: str
    session_digest: str
    console: Console


async def live_session(db: Connection, session_digest: str) -> dict[str, Any] | None:
    """The account behind a session that is alive; None for any other."""
    return await (await db.execute("SELECT * FROM staff.live_session(%s)", [session_digest])).fetchone()


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    """Whoever has a session; raises a 401 without one, a 403 when their role may not do this."""
    console = consoles.of(request)
    if credentials is None:
        raise errors.unauthenticated("a session is needed")
    session_digest = consoles.digest(credentials.credentials)
    async with console.pool.connection() as db:
        account = await live_session(db, session_digest)
        if account is None:
            raise errors.unauthenticated("a session is needed")
        await db.execute(
            "UPDATE staff.sessions SET idle_until = now() + make_interval(secs => %s) WHERE digest = %s",
            [console.settings.staff_session_idle_seconds, session_digest],
        )
    request.state.actor = f"staff:{account['account_id']}"
    operation = roles.OPERATIONS.get(_operation(request))
    if operation is None or operation.roles is None or account["role"] not in operation.roles:
        security_log.warning("%s refused to %s", _operation(request), request.state.actor)
        raise HTTPException(403, "your role does not allow this")
    return Caller(account["account_id"], account["name"], account["email"], account["role"], session_digest, console)


Staff = Annotated[Caller, Depends(caller)]
"""A caller of an operation that needs a session."""


async def _refuse(request: Request, outcome: Outcome, why: str, status: int | None = None) -> None:
    details: dict[str, Any] = {"why": why} | ({} if status is None else {"status": status})
    entry = Entry(
        actor_of(request),
        roles.OPERATIONS[_operation(request)].action,
        _target(request),
        outcome,
        _workspace(request),
        getattr(request.state, "reason", None),
        details,
    )
    await record_refusal(consoles.of(request), entry)


def _operation(request: Request) -> str:
    return str(request.scope["route"].operation_id)


def _target(request: Request) -> str:
    """What the request is about: said by the operation, or the innermost object that its path names."""
    if (said := getattr(request.state, "target", None)) is not None:
        return str(said)
    for parameter in ("message_id", "account_id", "break_glass_id", "workspace_id"):
        if parameter in request.path_params:
            kind = parameter.removesuffix("_id")
            return f"{kind}:{_uuid(request.path_params[parameter]) or 'malformed'}"
    return "console:rivet"


def _workspace(request: Request) -> UUID | None:
    return _uuid(request.path_params.get("workspace_id"))


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
