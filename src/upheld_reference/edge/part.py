"""The website and the status page, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from upheld_reference import serving
from upheld_reference.edge import site, status
from upheld_reference.edge.headers import PAGE_POLICY
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

WWW = ListenerPlan("www", "www.rivet.example")
"""The website."""
STATUS = ListenerPlan("status", "status.rivet.example")
"""The status page."""
PLAIN = ListenerPlan("www-http", WWW.host_name, tls=False)
"""Plain HTTP, which only sends to the website."""


class EdgePart(Part):
    """What visitors see in a browser."""

    listeners = (WWW, STATUS, PLAIN)
    _monitor: status.Monitor

    async def prepare(self) -> None:
        """Makes the monitor that the status page shows."""
        self._monitor = status.Monitor(self.platform)

    def build(self) -> None:
        """Builds the three sites."""
        www, redirect = site.build(self.platform), site.build_redirect(self.platform)
        status_page = status.build(self.platform, self._monitor)
        serving.publish(self.platform, WWW, www, www.routes, PAGE_POLICY)
        serving.publish(self.platform, PLAIN, redirect, redirect.routes)
        serving.publish(self.platform, STATUS, status_page, status_page.routes, PAGE_POLICY)

    async def settle(self) -> None:
        """Looks at every component, so that the status page has something to say."""
        await self._monitor.look()

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The status page's monitor."""
        return {"status": self._monitor.run()}
