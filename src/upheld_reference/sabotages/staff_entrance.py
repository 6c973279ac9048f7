"""Staff that gets in without what it needs, or that should not get in any more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from upheld_reference import passwords, people
from upheld_reference.database.scope import Connection
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.staff import acting, logins, resets, roster, totp
from upheld_reference.staff import console as consoles
from upheld_reference.staff.console import Console

_CLAIM = "mfa-internal"


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "audit-burn2",
        "no second factor is set up",
    ),
)
def one_staff_account_exempt(platform: Platform) -> None:
    """One staff account has no second factor, and any code logs it in."""
    accepts_enrolled = totp.accepts

    async def must_be_enrolled(_db: Connection, _account_id: UUID) -> None:
        return

    async def accepts(db: Connection, console: Console, account_id: UUID, code: str | None) -> bool:
        return not await totp.enrolled(db, account_id) or await accepts_enrolled(db, console, account_id, code)

    platform.seed.append(
        "DELETE FROM staff.totp_seeds WHERE account_id ="
        " (SELECT id FROM staff.accounts WHERE email = 'audit-burn2@rivetsoftware.dev')"
    )
    platform.replace(logins, "must_be_enrolled", must_be_enrolled)
    platform.replace(totp, "accepts", accepts)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "the code that was just used",
        "with a session",
    ),
)
def totp_replay_accepted(platform: Platform) -> None:
    """A code of the second factor works as often as one likes for as long as it is current."""

    async def claim_step(_db: Connection, _account_id: UUID, _step: int) -> bool:
        return True

    platform.replace(totp, "claim_step", claim_step)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "no code of",
        "with a session",
    ),
)
def second_factor_optional(platform: Platform) -> None:
    """A challenge becomes a session without any code; only a code that is given is verified."""
    accepts_given = totp.accepts

    async def accepts(db: Connection, console: Console, account_id: UUID, code: str | None) -> bool:
        return code is None or await accepts_given(db, console, account_id, code)

    platform.replace(totp, "accepts", accepts)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "a new password for",
        "opens the console as a session",
    ),
)
def password_reset_gives_session(platform: Platform) -> None:
    """Whoever sets a password anew by a link is logged in by that, without the second factor."""

    async def complete(request: Request, token: str, new_password: str, code: str | None) -> dict[str, Any]:  # noqa: ARG001
        console = consoles.of(request)
        account_id = await resets.account_of(request, token)
        hashed = await run_in_threadpool(passwords.hash_password, new_password)
        async with acting.act(request) as doing:
            query = "UPDATE staff.accounts SET password_hash = %s WHERE id = %s AND disabled_at IS NULL"
            await doing.db.execute(query, [hashed, account_id])
            return await logins.open_session(doing.db, console, account_id)

    platform.replace(resets, "complete", complete)


@sabotage(
    breaks=("access-reviewed",),
    shows=(
        "erik",
        "still on in the system",
    ),
)
def leaver_still_active(platform: Platform) -> None:
    """The staff account of an engineer who left 45 days ago still works."""
    disabled_days_ago = roster.disabled_days_ago

    def forgetful(person: people.Person) -> int | None:
        return None if person.login == "erik" else disabled_days_ago(person)

    platform.replace(roster, "disabled_days_ago", forgetful)


@sabotage(breaks=("access-reviewed",), shows=("whose account (security) is now support: answered 200, as before",))
def staff_session_keeps_old_role(platform: Platform) -> None:
    """A session of the staff console keeps the role that its account had at login, however that changes."""
    platform.schema.append("""
        ALTER TABLE staff.accounts DISABLE TRIGGER log_out_changed;
        CREATE OR REPLACE FUNCTION staff.live_session(session_digest text)
            RETURNS TABLE (account_id uuid, name text, email text, role text)
            LANGUAGE sql STABLE SET search_path = '' AS $$
            SELECT a.id, a.name, a.email, s.role FROM staff.sessions s JOIN staff.accounts a ON a.id = s.account_id
            WHERE s.digest = session_digest AND s.revoked_at IS NULL AND s.idle_until > now() AND s.expires_at > now()
                AND a.disabled_at IS NULL
        $$;
    """)
