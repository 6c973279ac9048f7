"""The API with its services and the retention job, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from upheld_reference import services, serving
from upheld_reference.api import app, sessions
from upheld_reference.database import copying, describe
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

if TYPE_CHECKING:
    from upheld_reference.database.scope import Connection
    from upheld_reference.database.seed import Seed

API = ListenerPlan("api", "api.rivet.example")
"""The public API."""


class ApiPart(Part):
    """What customers' programs talk to."""

    listeners = (API,)

    async def seed(self, superuser: Connection, planned: Seed) -> None:
        """Every owner is logged in already, on some device of theirs."""
        lifetime = timedelta(seconds=self.platform.settings.session_lifetime_seconds)
        ids = {workspace.name: workspace.id for workspace in planned.workspaces}
        owners = [identity for identity in planned.identities if identity.role == "owner"]
        now = datetime.now(UTC)
        seeded = [sessions.seed_rows(ids[owner.tenant], owner.id, now, lifetime) for owner in owners]
        await copying.copy(superuser, "app.sessions", [session for session, _ in seeded])
        await copying.copy(superuser, "app.refresh_tokens", [token for _, token in seeded])

    async def prepare(self) -> None:
        """Removes what has expired before anybody can ask for it."""
        await services.of(self.platform).retention.once()

    def build(self) -> None:
        """Builds the API; its routes are what the rate limit tells paths apart by."""
        api = app.build(lambda: services.of(self.platform))
        serving.publish(self.platform, API, api, api.routes, private=True)

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The retention job."""
        return {"retention": services.of(self.platform).retention.run()}

    def facts(self) -> dict[str, Any]:
        """Who, where and what is promised."""
        return describe.facts(self.platform, services.of(self.platform))
