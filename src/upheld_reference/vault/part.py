"""The vault, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from upheld_reference import services
from upheld_reference.api.advice import Upkeep
from upheld_reference.database.scope import Connection, Pool, new_pool
from upheld_reference.database.seed import Seed
from upheld_reference.graph.client import GraphClient
from upheld_reference.internal.names import host_name
from upheld_reference.logs import AccessLog
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan, Platform
from upheld_reference.vault import sealing, seed, service
from upheld_reference.vault.sealing import Sealer
from upheld_reference.vault.store import Store

VAULT = ListenerPlan("vault", host_name("vault"), audience="internal")
"""Where other services reach it."""


class VaultPart(Part):
    """Keeps credentials, and does what needs them."""

    listeners = (VAULT,)

    def __init__(self, platform: Platform) -> None:
        """Has no key yet."""
        super().__init__(platform)
        self._sealer = Sealer(platform.secrets)
        self._graph: GraphClient | None = None
        self._pool: Pool | None = None

    async def seed(self, superuser: Connection, planned: Seed) -> None:
        """Makes the first key and seals the first credentials."""
        self._sealer.add_key()
        for workspace in planned.workspaces:
            await seed.sow(superuser, workspace, self._sealer)

    async def settle(self) -> None:
        """Tells of tokens that are old already."""
        await self._upkeep().once()

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The advice on old tokens, with the removal of what belongs to nothing."""
        return {"credentials": self._upkeep().run()}

    async def prepare(self) -> None:
        """Connects to its own schema; Meta it will call by the platform's one way out."""
        platform = self.platform
        self._graph = GraphClient(
            lambda: platform.listeners["graph"].url, platform.ca_file, services.of(platform).outbound
        )
        self._pool = new_pool(self.platform.urls["vault"])
        await self._pool.open(wait=True)

    def build(self) -> None:
        """Puts its service on its listener."""
        if self._pool is None or self._graph is None:
            raise RuntimeError("the vault is built before it is prepared")
        built = service.build(service.VaultService(Store(self._pool, self._sealer), self._sealer, self._graph))
        self.platform.listeners[VAULT.name].app = AccessLog(built, VAULT.name)

    def facts(self) -> dict[str, Any]:
        """Its keys, and the columns that they protect."""
        return {
            "vault_keys": [{"id": key_id, "file": str(path)} for key_id, path in self._sealer.key_files.items()],
            "sensitive_columns": [
                dict(zip(("schema", "table", "column"), where.split("."), strict=True))
                | {"id_column": "id", "tenant_column": "workspace_id"}
                for where in sealing.SENSITIVE_COLUMNS
            ],
            "token_rotation_advised_days": self.platform.settings.token_rotation_advised_days,
            "vault_operations": {name: sorted(callers) for name, callers in service.PERMITTED.items()},
        }

    def _upkeep(self) -> Upkeep:
        shared, settings = services.of(self.platform), self.platform.settings
        return Upkeep(
            shared.pool, shared.vault, settings.token_rotation_advised_days, settings.token_advice_interval_seconds
        )

    async def close(self) -> None:
        """Closes its connections."""
        if self._graph is not None:
            await self._graph.close()
        if self._pool is not None:
            await self._pool.close()
