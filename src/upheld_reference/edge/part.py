"""The website, the web application and the status page, as a part of the deployment."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from upheld_reference import serving
from upheld_reference.api.part import API
from upheld_reference.edge import plain, security_txt, site, status
from upheld_reference.edge.headers import APP_POLICY, PAGE_POLICY
from upheld_reference.edge.monitor import Monitor
from upheld_reference.edge.webapp.forms import SESSION_COOKIE
from upheld_reference.edge.webapp.site import WebApp
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

WWW = ListenerPlan("www", "www.rivet.example")
"""The website."""
APP = ListenerPlan("app", "app.rivet.example")
"""The web application."""
STATUS = ListenerPlan("status", "status.rivet.example")
"""The status page."""
PLAIN = {plan.name: ListenerPlan(f"{plan.name}-http", plan.host_name, tls=False) for plan in (WWW, APP, STATUS, API)}
"""Plain HTTP, by the listener in whose place it answers."""
SECURITY_KEY = "security-key.asc"
"""The file with the public key that signs security.txt."""


class EdgePart(Part):
    """What visitors see in a browser."""

    listeners = (WWW, APP, STATUS, *PLAIN.values())
    _monitor: Monitor

    async def prepare(self) -> None:
        """Makes the monitor that the status page shows, and the key that signs security.txt."""
        self._monitor = Monitor(self.platform)
        self._signer = security_txt.Signer.create()
        self.platform.folder.joinpath(SECURITY_KEY).write_text(self._signer.public_key, encoding="ascii")

    def build(self) -> None:
        """Builds the sites, and what answers in plain HTTP."""
        www, status_page = site.build(self.platform, self._signer), status.build(self.platform, self._monitor)
        serving.publish(self.platform, WWW, www, www.routes, PAGE_POLICY)
        serving.publish(self.platform, STATUS, status_page, status_page.routes, PAGE_POLICY)
        web_app = WebApp(self.platform)
        app = web_app.build()
        serving.publish(self.platform, APP, app, app.routes, APP_POLICY, private=True, account=web_app.account)
        for name, plan in PLAIN.items():
            answer = plain.build_refusal() if name == API.name else plain.build_redirect(self.platform, name)
            serving.publish(self.platform, plan, answer, answer.routes)

    async def settle(self) -> None:
        """Looks at every component, so that the status page has something to say."""
        await self._monitor.look()

    def jobs(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """The status page's monitor."""
        return {"status": self._monitor.run()}

    def facts(self) -> dict[str, Any]:
        """Where the key is that signs security.txt, what the web application consists of, and what the status page watches."""
        return {
            "web_app": {
                "login": "/login",
                "pages": ["/inbox", "/settings"],
                "data": ["/inbox.json"],
                "scripts": ["/app.js"],
                "source_maps": ["/app.js.map"],
                "session_cookie": SESSION_COOKIE,
                "idle_seconds": self.platform.settings.web_session_idle_seconds,
            },
            "security_txt_key": str(self.platform.folder / SECURITY_KEY),
            "status": {
                "interval_seconds": self._monitor.interval_seconds,
                "components": list(self._monitor.components),
            },
        }
