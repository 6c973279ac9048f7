"""The staff console and the audit log's anchors, as a part of the deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import psycopg

from upheld_reference import serving
from upheld_reference.api.lockout import Lockout
from upheld_reference.audit import anchors, chain
from upheld_reference.audit.log import AuditLog
from upheld_reference.database.scope import new_pool
from upheld_reference.logs import app_log
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan, Platform
from upheld_reference.staff import app, breakglass, justifications, logins, roles, seeds, totp
from upheld_reference.staff.console import SEEDS, Console
from upheld_reference.staff.mailbox import Mailbox
from upheld_reference.vault.sealing import Sealer

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.database.seed import Seed

STAFF = ListenerPlan("staff", "staff.rivet.example", "staff")
"""The staff console."""
_NOTE_SECONDS = 1.0
_FORGET_SECONDS = 60.0


class StaffPart(Part):
    """What Rivet's own people work with."""

    listeners = (STAFF,)

    def __init__(self, platform: Platform) -> None:
        """Makes accounts, and hashes their passwords while the database is being started."""
        super().__init__(platform)
        self._accounts: tuple[seeds.Account, ...] = ()
        self._hashes: asyncio.Task[dict[Any, str]] | None = None
        self._console: Console | None = None
        self._sealer: Sealer | None = None
        self._noted = 0
        platform.on("configured", self._begin)

    async def seed(self, superuser: Connection, planned: Seed) -> None:
        """Adds accounts, and what was done in the past."""
        if self._hashes is None:
            raise RuntimeError("the accounts of staff were not planned")
        await seeds.sow(superuser, self._accounts, await self._hashes, self.sealer, planned)

    async def prepare(self) -> None:
        """Opens the connections of the console."""
        platform, settings = self.platform, self.platform.settings
        pool = new_pool(platform.urls["staff"])
        self._console = Console(
            pool=pool,
            audit=AuditLog(pool),
            sealer=self.sealer,
            lockout=Lockout(settings.lockout_failures, settings.lockout_seconds),
            mailbox=Mailbox(platform.folder / "mail"),
            anchors=platform.folder / "audit-anchors.jsonl",
            settings=settings,
        )
        await pool.open(wait=True)

    def build(self) -> None:
        """Builds the console."""
        console = app.build(lambda: self.console, lambda: self.platform.listeners[STAFF.name].url)
        serving.publish(self.platform, STAFF, console, console.routes)

    async def settle(self) -> None:
        """Notes the newest entry of the audit log outside the database for the first time."""
        await self._note()

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Ends break-glass sessions, notes the newest entry of the audit log, and forgets sessions that have ended."""
        return {
            "break-glass": breakglass.end_when_over(self.console),
            "audit anchors": self._keep_noting(),
            "ended staff sessions": self._keep_forgetting(),
        }

    def facts(self) -> dict[str, Any]:
        """Accounts for audits with their secrets, the matrix, the rules, and where the audit log is."""
        settings = self.platform.settings
        return {
            "staff_identities": [
                {
                    "name": account.entry.key,
                    "email": account.entry.email,
                    "role": account.entry.role,
                    "kind": account.entry.kind,
                    "password": account.password,
                    "totp_seed": account.totp_seed,
                    "throwaway": account.entry.throwaway,
                    "disabled": account.disabled,
                }
                for account in self._accounts
                if account.password is not None
            ],
            "staff_roles": {
                name: sorted(operation.roles or ()) for name, operation in roles.OPERATIONS.items() if operation.roles
            },
            "staff_actions": {name: operation.action for name, operation in roles.OPERATIONS.items()},
            "staff_public_operations": sorted(roles.PUBLIC_OPERATIONS),
            "staff_sessions": {
                "idle_seconds": settings.staff_session_idle_seconds,
                "absolute_seconds": settings.staff_session_seconds,
                "challenge_seconds": settings.staff_challenge_seconds,
            },
            "staff_mail": str(self.console.mailbox.folder),
            "totp": {"step_seconds": totp.STEP_SECONDS, "digits": 6, "window_steps": totp.WINDOW_STEPS},
            "justification": {**justifications.RULES.row(), "example": justifications.EXAMPLE},
            "audit_log": {
                "table": "audit.entries",
                "first_previous": chain.FIRST_PREVIOUS,
                "anchors": str(self.console.anchors),
            },
            "staff_sealed_columns": [
                dict(zip(("schema", "table", "column"), SEEDS.split("."), strict=True)) | {"id_column": "id"}
            ],
            "staff_keys": [{"id": key_id, "file": str(path)} for key_id, path in self.sealer.key_files.items()],
        }

    async def close(self) -> None:
        """Closes the connections."""
        if self._hashes is not None:
            self._hashes.cancel()
        if self._console is not None:
            await self._console.pool.close()

    @property
    def console(self) -> Console:
        """The console's services; raises RuntimeError before they are prepared."""
        if self._console is None:
            raise RuntimeError("the staff console is not prepared yet")
        return self._console

    @property
    def sealer(self) -> Sealer:
        """What seals the seeds of second factors; raises RuntimeError before it is made."""
        if self._sealer is None:
            raise RuntimeError("the key for second factors is not made yet")
        return self._sealer

    async def _begin(self, platform: Platform) -> None:
        self._sealer = Sealer.create(platform.secrets / "staff")
        self._accounts = seeds.accounts()
        self._hashes = asyncio.create_task(asyncio.to_thread(seeds.hash_all, self._accounts))

    async def _note(self) -> None:
        async with self.console.pool.connection() as db:
            self._noted = await anchors.note(db, self.console.anchors, self._noted)

    async def _keep_noting(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            try:
                await self._note()
            except psycopg.Error:
                app_log.exception("the audit log's newest entry could not be noted")

    async def _keep_forgetting(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_SECONDS)
            try:
                await logins.forget_ended(self.console)
            except psycopg.Error:
                app_log.exception("ended sessions of staff could not be removed")
