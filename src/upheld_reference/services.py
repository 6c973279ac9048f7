"""What the application's parts share, for each deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from upheld_reference.api.lockout import Lockout
    from upheld_reference.api.tokens import TokenSigner
    from upheld_reference.audit.log import AuditLog
    from upheld_reference.database.scope import Pool
    from upheld_reference.database.seed import Seed
    from upheld_reference.deletion import Deletion
    from upheld_reference.jobs import Retention
    from upheld_reference.network.guard import Guard
    from upheld_reference.network.transport import Outbound
    from upheld_reference.platform import Platform
    from upheld_reference.vault.client import VaultClient
    from upheld_reference.webhooks.service import WorkerClient


@dataclass(frozen=True)
class Services:
    """The parts that requests and jobs work with."""

    pool: Pool
    """Connections of the role rivet_application."""
    audit: AuditLog
    """Adds entries to the audit log as the application, in transactions of their own."""
    vault: VaultClient
    """Asks the vault, which holds every credential, for what needs one."""
    signer: TokenSigner
    """Issues and verifies access tokens."""
    session_lifetime_seconds: int
    """How long a session lasts, counted from its login."""
    deletion_after_days: int
    """How many days after its termination a workspace is deleted."""
    token_rotation_advised_days: int
    """How old a WhatsApp access token may get before its workspace is advised to rotate it."""
    lockout: Lockout
    """Counts bad logins."""
    outbound: Outbound
    """The way out: every call that leaves the platform goes through one of its transports."""
    guard: Guard
    """Says where a URL that a customer wrote may lead."""
    worker: WorkerClient
    """Wakes the worker that delivers webhooks."""
    retention: Retention
    """Removes what is older than its workspace keeps it."""
    deletion: Deletion
    """Removes terminated workspaces."""
    exports: Path
    """The folder with one folder of export files for each workspace."""
    seed: Seed
    """What the database started with."""


_by_folder: dict[Path, Services] = {}


def register(platform: Platform, services: Services) -> None:
    """Makes ``services`` those of ``platform``."""
    _by_folder[platform.folder] = services


def of(platform: Platform) -> Services:
    """The services of ``platform``; raises KeyError before its database is prepared."""
    return _by_folder[platform.folder]
