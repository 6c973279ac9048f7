"""The second factor: time-based one-time passwords (RFC 6238, SHA-1, 30 s, 6 digits)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pyotp
from pyotp.exceptions import OTPVerificationError

from upheld_reference.staff import console as consoles

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.staff.console import Console

STEP_SECONDS = 30
"""How long a time step is."""
WINDOW_STEPS = 1
"""How many steps the two clocks may be apart (RFC 6238 §5.2)."""


def fresh_seed() -> str:
    """A new seed of 160 bits, in base32."""
    return pyotp.random_base32(32)


def matching_step(seed: str, code: str) -> int | None:
    """The time step that ``code`` is the code of, within the window around now; None for no such step."""
    try:
        return pyotp.TOTP(seed, interval=STEP_SECONDS).verify_and_get_timecode(code, valid_window=WINDOW_STEPS)
    except OTPVerificationError:
        return None


async def claim_step(db: Connection, account_id: UUID, step: int) -> bool:
    """Uses up a time step and all before it; False when that was done before (RFC 6238 §5.2: a code counts once)."""
    query = "UPDATE staff.totp_seeds SET last_step = %s WHERE account_id = %s AND last_step < %s"
    return (await db.execute(query, [step, account_id, step])).rowcount == 1


async def enrolled(db: Connection, account_id: UUID) -> bool:
    """Whether the account has a second factor."""
    query = "SELECT 1 FROM staff.totp_seeds WHERE account_id = %s"
    return await (await db.execute(query, [account_id])).fetchone() is not None


async def accepts(db: Connection, console: Console, account_id: UUID, code: str | None) -> bool:
    """Whether ``code`` is the account's, of now, and was not used before; it is used up by that."""
    query = "SELECT id, sealed FROM staff.totp_seeds WHERE account_id = %s"
    row = await (await db.execute(query, [account_id])).fetchone()
    if row is None or code is None:
        return False
    seed = console.sealer.open(row["sealed"], consoles.SEEDS, row["id"]).decode("ascii")
    step = matching_step(seed, code)
    return step is not None and await claim_step(db, account_id, step)
