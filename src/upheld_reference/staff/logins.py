"""Logging in: the password gives a challenge, the challenge and a code give a session. There is no other way in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from upheld_reference import passwords
from upheld_reference.api import errors
from upheld_reference.database.scope import Connection
from upheld_reference.staff import acting, totp
from upheld_reference.staff import console as consoles
from upheld_reference.staff.console import Console

_CHALLENGE_ATTEMPTS = 5
_WRONG_CODE = "the code is not valid"


async def challenge(request: Request, email: str, password: str) -> dict[str, Any]:
    """A challenge for whoever knows the password; raises a 401, a 403 without a second factor, a 429 when locked."""
    console, address = consoles.of(request), email.lower()
    key = f"staff password {consoles.digest(address)[:16]}"
    not_locked(console, key)
    async with console.pool.connection() as db:
        query = "SELECT id, password_hash, disabled_at FROM staff.accounts WHERE email = %s"
        account = await (await db.execute(query, [address])).fetchone()
    request.state.target = "account:unknown"
    if account is not None:
        acting.known_as(request, account["id"])
    # An unknown address takes as long as a wrong password, so that the time does not tell who has an account.
    stored = account["password_hash"] if account else passwords.PLACEHOLDER
    matches = await run_in_threadpool(passwords.matches, password, stored)
    if account is None or not matches or account["disabled_at"] is not None:
        console.lockout.failed(key)
        raise errors.unauthenticated("e-mail address or password is wrong")
    not_locked(console, key)  # it may have been locked while this password was being hashed
    console.lockout.succeeded(key)
    secret = consoles.fresh_secret()
    lifetime = console.settings.staff_challenge_seconds
    async with acting.act(request) as doing:
        await must_be_enrolled(doing.db, account["id"])
        query = """
            INSERT INTO staff.challenges (digest, account_id, expires_at) VALUES (%s, %s, now() + make_interval(secs => %s))
        """
        await doing.db.execute(query, [consoles.digest(secret), account["id"], lifetime])
    return {"challenge": secret, "expires_in": lifetime}


async def must_be_enrolled(db: Connection, account_id: UUID) -> None:
    """Raises a 403 for an account without a second factor: it cannot log in at all."""
    if not await totp.enrolled(db, account_id):
        raise HTTPException(403, "no second factor is set up; ask the security team")


async def session(request: Request, secret: str, code: str | None) -> dict[str, Any]:
    """A session for a challenge and its account's code; raises a 401, or a 429 when there were too many bad codes."""
    console, challenge_digest = consoles.of(request), consoles.digest(secret)
    account_id = await _attempt(request, console, challenge_digest)
    key = code_key(account_id)
    not_locked(console, key)
    async with acting.act(request) as doing:
        if not await totp.accepts(doing.db, console, account_id, code):
            console.lockout.failed(key)
            raise errors.unauthenticated(_WRONG_CODE)
        console.lockout.succeeded(key)
        used = "UPDATE staff.challenges SET used_at = now() WHERE digest = %s AND used_at IS NULL"
        if (await doing.db.execute(used, [challenge_digest])).rowcount != 1:
            raise errors.unauthenticated("the challenge is over")
        return await open_session(doing.db, console, account_id)


async def open_session(db: Connection, console: Console, account_id: UUID) -> dict[str, Any]:
    """Opens a session of the account, which must not be disabled; raises a 401 when it is."""
    secret, settings = consoles.fresh_secret(), console.settings
    query = """
        INSERT INTO staff.sessions (digest, account_id, role, idle_until, expires_at)
        SELECT %(digest)s, id, role, now() + make_interval(secs => %(idle)s), now() + make_interval(secs => %(absolute)s)
        FROM staff.accounts WHERE id = %(account)s AND disabled_at IS NULL
    """
    values = {
        "digest": consoles.digest(secret),
        "account": account_id,
        "idle": settings.staff_session_idle_seconds,
        "absolute": settings.staff_session_seconds,
    }
    if (await db.execute(query, values)).rowcount != 1:
        raise errors.unauthenticated("the account is disabled")
    await db.execute("UPDATE staff.accounts SET last_login_at = now() WHERE id = %s", [account_id])
    return {
        "session": secret,
        "expires_in": settings.staff_session_seconds,
        "idle_timeout": settings.staff_session_idle_seconds,
    }


def code_key(account_id: UUID) -> str:
    """Under which the bad codes of an account are counted."""
    return f"staff code {account_id}"


def not_locked(console: Console, key: str) -> None:
    """Raises a 429 while ``key`` is locked."""
    if locked := console.lockout.remaining_seconds(key):
        raise HTTPException(429, "too many bad logins; try again later", {"Retry-After": str(locked)})


async def forget_ended(console: Console) -> None:
    """Removes what has no use any more: challenges, links and sessions whose time was over a day ago."""
    async with console.pool.connection() as db:
        await db.execute("DELETE FROM staff.challenges WHERE expires_at < now() - interval '1 day'")
        await db.execute("DELETE FROM staff.password_resets WHERE expires_at < now() - interval '1 day'")
        await db.execute("DELETE FROM staff.sessions WHERE expires_at < now() - interval '1 day'")


async def _attempt(request: Request, console: Console, challenge_digest: str) -> UUID:
    """Counts an attempt at a challenge and returns its account; stands whatever becomes of the attempt."""
    query = """
        UPDATE staff.challenges SET attempts = attempts + 1
        WHERE digest = %s AND used_at IS NULL AND expires_at > now() AND attempts < %s RETURNING account_id
    """
    async with console.pool.connection() as db:
        row = await (await db.execute(query, [challenge_digest, _CHALLENGE_ATTEMPTS])).fetchone()
    if row is None:
        request.state.target = "account:unknown"
        raise errors.unauthenticated("the challenge is unknown or over")
    acting.known_as(request, row["account_id"])
    account_id: UUID = row["account_id"]
    return account_id
