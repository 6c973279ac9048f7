"""The parts that a deployment is put together from, and the order in which they come.

A part owns its listeners, its rows, its services, its jobs and what it tells of itself. It knows the platform, and of other
parts only the services that they register; the assembly calls every part in the same way.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.database.seed import Seed
    from upheld_reference.platform import ListenerPlan, Platform


class Part:
    """One part of a deployment; what it does not override it has no need of."""

    listeners: Sequence[ListenerPlan] = ()
    """The sockets that it serves; they are bound, with TLS, before any part is prepared."""

    def __init__(self, platform: Platform) -> None:
        """Belongs to ``platform``, of which nothing but the settings is there yet."""
        self.platform = platform

    async def open(self) -> None:
        """Begins what other parts need before they have a database; its listeners are bound, and nothing else is there."""

    async def seed(self, superuser: Connection, planned: Seed) -> None:
        """Adds its first rows to those of the application, in the same transaction."""

    async def prepare(self) -> None:
        """Makes its services; the database has its schema and first rows, and no job has run yet."""

    def build(self) -> None:
        """Gives its listeners their applications."""

    async def settle(self) -> None:
        """Does once, as soon as everything serves, what must be done before the deployment counts as ready."""

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Its background jobs by name; they run until they are cancelled."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What deployment.json tells of it; plain JSON types only."""
        return {}

    async def close(self) -> None:
        """Lets go of what it holds; also called when the start failed half-way."""


def all_parts(platform: Platform) -> tuple[Part, ...]:
    """Every part for ``platform``, in the order in which they are prepared; they are closed in the reverse order."""
    # Imported late: what only reads settings or facts has no need of the parts.
    from upheld_reference.api.part import ApiPart  # noqa: PLC0415
    from upheld_reference.backups.part import BackupPart  # noqa: PLC0415
    from upheld_reference.codebase.part import CodebasePart  # noqa: PLC0415
    from upheld_reference.database.part import DatabasePart  # noqa: PLC0415
    from upheld_reference.edge.part import EdgePart  # noqa: PLC0415
    from upheld_reference.forge.part import ForgePart  # noqa: PLC0415
    from upheld_reference.graph.part import GraphPart  # noqa: PLC0415
    from upheld_reference.host.part import HostPart  # noqa: PLC0415
    from upheld_reference.network.part import NetworkPart  # noqa: PLC0415
    from upheld_reference.registers.part import RegistersPart  # noqa: PLC0415
    from upheld_reference.staff.part import StaffPart  # noqa: PLC0415
    from upheld_reference.vault.part import VaultPart  # noqa: PLC0415
    from upheld_reference.webhooks.part import WebhookPart  # noqa: PLC0415

    # Backups first: the first base backup is taken while the others get ready.
    codebase = CodebasePart(platform)
    return (
        DatabasePart(platform),
        BackupPart(platform),
        HostPart(platform),
        NetworkPart(platform),
        GraphPart(platform),
        VaultPart(platform),
        WebhookPart(platform),
        ApiPart(platform),
        EdgePart(platform),
        RegistersPart(platform),
        codebase,
        ForgePart(platform, codebase),
        StaffPart(platform),
    )
