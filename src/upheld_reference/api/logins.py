"""Logging in: from e-mail address and password to the tokens of a new session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from upheld_reference import passwords
from upheld_reference.api import sessions
from upheld_reference.api.sessions import SessionTokens
from upheld_reference.database.scope import single_statements, workspace_scope
from upheld_reference.logs import security_log

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.services import Services

_NOBODYS_HASH = passwords.PLACEHOLDER


class LoginError(Exception):
    """Nobody was logged in.

    LoginError
    ├── WrongCredentialsError     no such account, or another password
    ├── LockedError               too many bad logins
    ├── AccountDisabledError      the password is right, the account is disabled
    └── WorkspaceTerminatedError  the password is right, the workspace is terminated
    """


class WrongCredentialsError(LoginError):
    """No account has this e-mail address and password."""


class LockedError(LoginError):
    """The account, existing or not, is locked after bad logins."""

    def __init__(self, retry_seconds: int) -> None:
        """Carries how long it stays locked, in whole seconds."""
        self.retry_seconds = retry_seconds
        super().__init__(f"locked for {retry_seconds} s")


class AccountDisabledError(LoginError):
    """The account has been disabled."""


class WorkspaceTerminatedError(LoginError):
    """The workspace of the account has been terminated."""


@dataclass(frozen=True)
class IssuedTokens(SessionTokens):
    """The tokens of a new session, and whose they are."""

    member_id: UUID
    workspace_id: UUID
    role: str
    """The role at this moment; every later request asks the database again."""


async def log_in(shared: Services, email: str, password: str) -> IssuedTokens:
    """Starts a session for the member with this e-mail address (in any case) and password.

    Raises LockedError, WrongCredentialsError, AccountDisabledError or WorkspaceTerminatedError; the last two only when the
    password was right, so that they tell nobody else anything.
    """
    row = await prove(shared, email, password)
    if row["disabled"]:
        security_log.warning("login refused: the account of member %s is disabled", row["id"])
        raise AccountDisabledError
    if row["terminated"]:
        security_log.warning("login refused: the workspace %s is terminated", row["workspace_id"])
        raise WorkspaceTerminatedError
    async with workspace_scope(shared.pool, row["workspace_id"]) as db:
        return await issue(db, shared, row["id"], row["workspace_id"])


async def prove(shared: Services, email: str, password: str) -> dict[str, Any]:
    """The account with this e-mail address and password; raises LockedError or WrongCredentialsError.

    It counts towards the lockout, whatever the password is asked for.
    """
    account = email.lower()
    _refuse_locked(shared, account)
    async with single_statements(shared.pool) as db:
        row = await (await db.execute("SELECT * FROM app.member_for_login(%s)", [account])).fetchone()
    # An unknown address takes as long as a wrong password, so that the time does not tell who has an account.
    stored = (row and row["password_hash"]) or _NOBODYS_HASH
    matches = await run_in_threadpool(passwords.matches, password, stored)
    if row is None or not matches:
        shared.lockout.failed(account)
        raise WrongCredentialsError
    _refuse_locked(shared, account)  # locked while this password was being hashed
    shared.lockout.succeeded(account)
    return row


async def issue(db: Connection, shared: Services, member_id: UUID, workspace_id: UUID) -> IssuedTokens:
    """The tokens of a new session in the workspace that ``db`` is set to; raises WrongCredentialsError for a member who is gone."""
    query = "SELECT role FROM app.members WHERE workspace_id = %s AND id = %s"
    member = await (await db.execute(query, [workspace_id, member_id])).fetchone()
    if member is None:  # removed while the password was being hashed
        raise WrongCredentialsError
    lifetime = timedelta(seconds=shared.session_lifetime_seconds)
    tokens = await sessions.start(db, shared.signer, member_id, workspace_id, lifetime)
    return IssuedTokens(
        tokens.access_token, tokens.refresh_token, tokens.expires_in_seconds, member_id, workspace_id, member["role"]
    )


def _refuse_locked(shared: Services, account: str) -> None:
    if locked := shared.lockout.remaining_seconds(account):
        raise LockedError(locked)
