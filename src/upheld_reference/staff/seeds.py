"""The rows that the staff console starts with: accounts, and what was done in the past."""

from __future__ import annotations

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from upheld_reference import passwords
from upheld_reference.database import copying
from upheld_reference.staff import console as consoles
from upheld_reference.staff import justifications, roster, totp
from upheld_reference.staff.roster import RosterEntry

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.database.seed import Seed
    from upheld_reference.vault.sealing import Sealer

_APPEND = "SELECT audit.append_at(%s, %s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True)
class Account:
    """An account with its secrets."""

    entry: RosterEntry
    id: UUID = field(default_factory=uuid4)
    password: str | None = field(default=None, repr=False)
    """None for one whose password nobody knows: its holder sets one by a link."""
    totp_seed: str = field(default_factory=totp.fresh_seed, repr=False)

    @property
    def disabled(self) -> bool:
        """Whether it starts disabled."""
        return self.entry.off_days_ago is not None


@dataclass(frozen=True)
class PastBreakGlass:
    """A break-glass session of the past."""

    days_ago: float
    requested_by: str
    approved_by: str
    ticket: str | None
    reason: str
    minutes: int
    """How long it lasted."""
    ended_by: str = "user"


@dataclass(frozen=True)
class PastRead:
    """A message that was read in the past."""

    days_ago: float
    reader: str
    workspace: str
    justification: str


BREAK_GLASS = (
    PastBreakGlass(141, "lukas", "amahle", "OPS-118", "Replication slot held back the write-ahead log", 24),
    PastBreakGlass(63, "jonas", "priya", "OPS-164", "Vacuum of message logs stalled after the upgrade", 41),
    PastBreakGlass(
        17, "sipho", "amahle", "OPS-203", "Deadlocks in the automation queue, settings to compare", 30, "time limit"
    ),
)
"""The break-glass sessions of the past, oldest first."""
READS = (
    PastRead(88, "naledi", "acme", "SUP-2291: owner reports garbled umlauts, comparing stored text with delivered one"),
    PastRead(12, "ben", "globex", "SUP-2604: contact received notice twice, comparing both bodies with template"),
)
"""The messages that were read in the past, oldest first."""
_KNOWN_LEAVER = "erik"


def accounts() -> tuple[Account, ...]:
    """Every account, with new secrets; passwords are known of accounts for audits and of one that must not work any more."""
    return tuple(
        Account(
            entry,
            password=secrets.token_urlsafe(15) if entry.kind == "audit" or entry.key == _KNOWN_LEAVER else None,
        )
        for entry in roster.entries()
    )


def hash_all(planned: tuple[Account, ...]) -> dict[UUID, str]:
    """The password hashes by account, computed on all processors at once."""

    def hashed(account: Account) -> str:
        return passwords.of_nobody() if account.password is None else passwords.hash_password(account.password)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads:
        return dict(zip([account.id for account in planned], threads.map(hashed, planned), strict=True))


async def sow(
    db: Connection, planned: tuple[Account, ...], hashes: dict[UUID, str], sealer: Sealer, customers: Seed
) -> None:
    """Puts accounts and past into the database, whose superuser ``db`` is."""
    now = datetime.now(UTC)
    rules = justifications.RULES.row()
    await copying.copy(db, "staff.justification_rules", [rules])
    await copying.copy(
        db,
        "staff.accounts",
        [
            {
                "id": account.id,
                "name": account.entry.name,
                "email": account.entry.email,
                "role": account.entry.role,
                "kind": account.entry.kind,
                "password_hash": hashes[account.id],
                "created_at": now - timedelta(days=account.entry.since_days_ago),
                "disabled_at": None
                if account.entry.off_days_ago is None
                else now - timedelta(days=account.entry.off_days_ago),
                "last_login_at": None
                if account.entry.kind == "audit"
                else now - timedelta(days=account.entry.off_days_ago or 0, hours=1 + secrets.randbelow(72)),
            }
            for account in planned
        ],
    )
    await copying.copy(db, "staff.totp_seeds", [_sealed(account, sealer, now) for account in planned])
    await _past(db, {account.entry.key: account.id for account in planned}, customers, now)


def _sealed(account: Account, sealer: Sealer, now: datetime) -> dict[str, Any]:
    row_id = uuid4()
    return {
        "id": row_id,
        "account_id": account.id,
        "sealed": sealer.seal(account.totp_seed.encode("ascii"), consoles.SEEDS, row_id),
        "key_id": sealer.key_id,
        "enrolled_at": now - timedelta(days=account.entry.since_days_ago),
    }


async def _past(db: Connection, ids: dict[str, UUID], customers: Seed, now: datetime) -> None:
    """What was done in the past, in its order: rows of break-glass sessions, and the audit log."""
    entries: list[tuple[datetime, list[Any]]] = []
    for past in BREAK_GLASS:
        session_id, requested = uuid4(), now - timedelta(days=past.days_ago)
        approved, started = requested + timedelta(minutes=6), requested + timedelta(minutes=9)
        ended = started + timedelta(minutes=past.minutes)
        duration = past.minutes * 60 if past.ended_by == "time limit" else 3600
        row = {
            "id": session_id,
            "requested_by": ids[past.requested_by],
            "ticket": past.ticket,
            "reason": past.reason,
            "duration_seconds": duration,
            "requested_at": requested,
            "approved_by": ids[past.approved_by],
            "approved_at": approved,
            "started_at": started,
            "expires_at": started + timedelta(seconds=duration),
            "ended_at": ended,
            "ended_by": past.ended_by,
        }
        await copying.copy(db, "staff.break_glass_sessions", [row])
        user, approver = (f"staff:{ids[key]}" for key in (past.requested_by, past.approved_by))
        closer = user if past.ended_by == "user" else "service:staff-console"
        ticket: dict[str, Any] = {"ticket": past.ticket}
        target = f"break_glass:{session_id}"
        for at, actor, verb, details in (
            (requested, user, "request", ticket),
            (approved, approver, "approve", ticket),
            (started, user, "start", ticket),
            (started + timedelta(minutes=2), user, "read_configuration", ticket),
            (ended, closer, "end", ticket | {"ended_by": past.ended_by}),
        ):
            entries.append((at, [actor, f"break_glass.{verb}", target, "done", None, past.reason, Jsonb(details)]))
    for read in READS:
        workspace = next(one for one in customers.workspaces if one.name == read.workspace)
        target = f"message:{workspace.objects['messages'][0]}"
        reader = f"staff:{ids[read.reader]}"
        values = [reader, "staff.read_message", target, "done", workspace.id, read.justification, Jsonb({})]
        entries.append((now - timedelta(days=read.days_ago), values))
    for at, values in sorted(entries, key=lambda entry: entry[0]):
        await db.execute(_APPEND, [at, *values])
