"""Setting a password anew: a link by mail, and still the second factor. It logs nobody in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from upheld_reference import passwords
from upheld_reference.api import errors
from upheld_reference.staff import acting, logins, totp
from upheld_reference.staff import console as consoles

_TEXT = """Somebody, probably you, asked to set the password of your account anew.

{url}#{token}

The link works for {minutes} minutes and asks for the code of your second factor.
"""


async def send_link(request: Request, email: str, url: str) -> None:
    """Sends a link to the account with that address, if there is one that is not disabled; tells nothing of that."""
    console = consoles.of(request)
    seconds = console.settings.staff_reset_seconds
    async with console.pool.connection() as db:
        query = "SELECT id, email FROM staff.accounts WHERE email = %s AND disabled_at IS NULL"
        account = await (await db.execute(query, [email.lower()])).fetchone()
    request.state.target = "account:unknown"
    if account is not None:
        request.state.target = f"account:{account['id']}"
    async with acting.act(request, details={"sent": account is not None}) as doing:
        if account is None:
            return
        token = consoles.fresh_secret()
        query = """
            INSERT INTO staff.password_resets (digest, account_id, expires_at)
            VALUES (%s, %s, now() + make_interval(secs => %s))
        """
        await doing.db.execute(query, [consoles.digest(token), account["id"], seconds])
    text = _TEXT.format(url=url, token=token, minutes=seconds // 60)
    await run_in_threadpool(console.mailbox.send, account["email"], "Your password", text)


async def complete(request: Request, token: str, new_password: str, code: str | None) -> dict[str, Any]:
    """Sets the password and ends every session of the account; raises a 401 for a bad link or code, a 429 when locked."""
    console = consoles.of(request)
    account_id = await account_of(request, token)
    key = logins.code_key(account_id)
    logins.not_locked(console, key)
    hashed = await run_in_threadpool(passwords.hash_password, new_password)
    async with acting.act(request) as doing:
        if not await totp.accepts(doing.db, console, account_id, code):
            console.lockout.failed(key)
            raise errors.unauthenticated("the code is not valid")
        console.lockout.succeeded(key)
        # A trigger ends sessions, challenges and links of the account.
        query = "UPDATE staff.accounts SET password_hash = %s WHERE id = %s AND disabled_at IS NULL"
        await doing.db.execute(query, [hashed, account_id])
    return {"next": "log in"}


async def account_of(request: Request, token: str) -> UUID:
    """The account whose link has ``token``; raises a 401 unless it is new and unused."""
    query = """
        SELECT account_id FROM staff.password_resets WHERE digest = %s AND used_at IS NULL AND expires_at > now()
    """
    async with consoles.of(request).pool.connection() as db:
        row = await (await db.execute(query, [consoles.digest(token)])).fetchone()
    if row is None:
        request.state.target = "account:unknown"
        raise errors.unauthenticated("the link is unknown or over")
    acting.known_as(request, row["account_id"])
    account_id: UUID = row["account_id"]
    return account_id
