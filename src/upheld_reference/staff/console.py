"""What the operations of the staff console work with."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

if TYPE_CHECKING:
    from pathlib import Path

    from upheld_reference.api.lockout import Lockout
    from upheld_reference.audit.log import AuditLog
    from upheld_reference.database.scope import Pool
    from upheld_reference.settings import Settings
    from upheld_reference.staff.mailbox import Mailbox
    from upheld_reference.vault.sealing import Sealer

SEEDS = "staff.totp_seeds.sealed"
"""The column with the sealed seeds of second factors."""


@dataclass(frozen=True)
class Console:
    """The console's services."""

    pool: Pool
    """Connections of the role rivet_staff."""
    audit: AuditLog
    """Adds entries for staff, in transactions of their own."""
    sealer: Sealer
    """Seals the seeds of second factors, with a key that is for nothing else."""
    lockout: Lockout
    """Counts bad passwords by address and bad codes by account."""
    mailbox: Mailbox
    """Sends mail to staff."""
    anchors: Path
    """The file with the digests of the audit log that are noted outside the database."""
    settings: Settings
    """How long things last."""


def of(request: Request) -> Console:
    """The console that the request came to."""
    found: Console = request.app.state.console()
    return found


def fresh_secret() -> str:
    """A new bearer secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a bearer secret: it is long and random, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
