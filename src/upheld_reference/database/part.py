"""The way to the database, as a part of the deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from upheld_reference.database import grants, roles, sidecar
from upheld_reference.internal import names
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

DATABASE = ListenerPlan("database", names.host_name("database"), audience="internal", protocol="postgresql")
"""Where other services reach it."""


class DatabasePart(Part):
    """Lets services in to PostgreSQL by their certificates."""

    listeners = (DATABASE,)
    _sidecar: sidecar.Sidecar | None = None

    async def open(self) -> None:
        """Serves from the start, as all other parts connect by it."""
        self._sidecar = sidecar.Sidecar(self.platform.listeners[DATABASE.name], self._socket)
        await self._sidecar.start()

    def facts(self) -> dict[str, Any]:
        """The internal certificates, who may call whom, who may connect as which role, and what each role was granted."""
        internal = self.platform.internal
        return {
            "internal": {
                "ca_file": str(internal.ca_file),
                "certificates": {name: files.facts for name, files in internal.clients.items()},
                "refused_certificates": {name: files.facts for name, files in internal.refused.items()},
                "callers": {name: sorted(callers) for name, callers in names.CALLERS.items()},
            },
            "database_roles": {
                name: {"role": role, "services": sorted(roles.SERVICES[role])}
                for name, role in roles.LOGIN_ROLES.items()
            },
            "database_grants": {
                role: {place: list(privileges) for place, privileges in objects.items()}
                for role, objects in grants.GRANTED.items()
            },
            "auditing_roles": list(roles.AUDITORS),
        }

    async def close(self) -> None:
        """Ends every connection."""
        if self._sidecar is not None:
            await self._sidecar.stop()

    def _socket(self) -> Path:
        return Path(str(conninfo_to_dict(self.platform.urls["superuser"])["host"])) / ".s.PGSQL.5432"
