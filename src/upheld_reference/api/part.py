"""The API with its services and the retention job, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from upheld_reference import deletion, services, serving
from upheld_reference.api import app, seeding
from upheld_reference.database import describe
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

if TYPE_CHECKING:
    from upheld_reference.api.tokens import Claims
    from upheld_reference.database.scope import Connection
    from upheld_reference.database.seed import Seed

API = ListenerPlan("api", "api.rivet.example")
"""The public API."""


class ApiPart(Part):
    """What customers' programs talk to."""

    listeners = (API,)
    _old_session: Claims
    _expired_token = ""

    async def seed(self, superuser: Connection, planned: Seed) -> None:
        """Sessions, an invitation, notices and invoices."""
        self._old_session = await seeding.sow(superuser, planned, self.platform.settings)

    async def prepare(self) -> None:
        """Removes what has expired before anybody can ask for it."""
        await services.of(self.platform).retention.once()

    def build(self) -> None:
        """Builds the API; its routes are what the rate limit tells paths apart by."""
        api = app.build(lambda: services.of(self.platform))
        serving.publish(self.platform, API, api, api.routes, private=True)

    async def settle(self) -> None:
        """Removes the workspaces that ended long ago; the vault, which has a part in it, serves by now."""
        shared = services.of(self.platform)
        await shared.deletion.once()
        # What somebody may have found in an old browser: right in every way, and over.
        expired = datetime.now(UTC) - timedelta(minutes=10, seconds=shared.signer.lifetime_seconds)
        self._expired_token = shared.signer.issue(self._old_session, expired)

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Retention, and the deletion of terminated workspaces."""
        shared = services.of(self.platform)
        return {"retention": shared.retention.run(), "deletion": shared.deletion.run()}

    def facts(self) -> dict[str, Any]:
        """Who, where and what is promised."""
        shared = services.of(self.platform)
        told = {"deletion": deletion.facts(self.platform, shared.seed), "expired_access_token": self._expired_token}
        return describe.facts(self.platform, shared) | told
