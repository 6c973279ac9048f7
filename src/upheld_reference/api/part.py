"""The API with its services and the retention job, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from upheld_reference import services, serving
from upheld_reference.api import app
from upheld_reference.database import describe
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

API = ListenerPlan("api", "api.rivet.example")
"""The public API."""


class ApiPart(Part):
    """What customers' programs talk to."""

    listeners = (API,)

    async def prepare(self) -> None:
        """Removes what has expired before anybody can ask for it."""
        await services.of(self.platform).retention.once()

    def build(self) -> None:
        """Builds the API; its routes are what the rate limit tells paths apart by."""
        api = app.build(lambda: services.of(self.platform))
        serving.publish(self.platform, API, api, api.routes)

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The retention job."""
        return {"retention": services.of(self.platform).retention.run()}

    def facts(self) -> dict[str, Any]:
        """Who, where and what is promised."""
        return describe.facts(self.platform, services.of(self.platform))
