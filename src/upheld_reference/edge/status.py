"""The status page: what the monitor saw and when, for people and for programs."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from upheld_reference.edge import pages
from upheld_reference.edge.history import rfc3339
from upheld_reference.edge.monitor import Monitor
from upheld_reference.platform import Platform

_BARS = 60


def build(platform: Platform, monitor: Monitor) -> Starlette:
    """The application of the listener ``status``."""

    async def page(_request: Request) -> Response:
        history, newest = monitor.history, monitor.history.newest
        components = newest.components if newest else ()
        html = pages.render(
            platform,
            "status.html",
            checked_at=rfc3339(newest.at) if newest else None,
            interval_seconds=monitor.interval_seconds,
            all_well=bool(components) and all(one.status == "operational" for one in components),
            rows=[(one, history.uptime(one.name), history.recent(one.name, _BARS)) for one in components],
        )
        return HTMLResponse(html, headers={"cache-control": "no-cache"})

    async def data(_request: Request) -> Response:
        report = monitor.history.report(monitor.interval_seconds)
        return JSONResponse(report, headers={"cache-control": "no-store"})

    app = Starlette(
        routes=[
            Route("/", page, methods=["GET"], name="status.html"),
            Route("/status.json", data, methods=["GET"], name="status.json"),
            *pages.common_routes(),
        ],
        exception_handlers=pages.errors(platform),
    )
    app.router.redirect_slashes = False  # Starlette would send browsers to whatever host the request names
    return app
