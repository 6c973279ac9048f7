"""Traffic without TLS that the list of endpoints does not show; only who follows the links comes upon it."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from upheld_reference import serving
from upheld_reference.api.app import Api
from upheld_reference.api.part import API
from upheld_reference.edge.part import WWW, EdgePart
from upheld_reference.platform import ListenerPlan, Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.sabotages.publication import edit_template

_CLAIMS = ("transit-all-traffic",)
_ALSO = ("sensitive-encrypted",)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "http://api.rivet.example",
        "plain HTTP",
        "OpenAPI",
    ),
)
def extra_port_without_tls(platform: Platform) -> None:
    """An old port that nobody lists serves the whole API over plain HTTP, and the OpenAPI document names it."""
    legacy = ListenerPlan("api-legacy", API.host_name, tls=False)
    right = Api.openapi

    def openapi(self: Api) -> dict[str, Any]:
        document = right(self)
        document["servers"] = [{"url": urls[plan.name]} for plan in (API, legacy)]
        return document

    urls: dict[str, str] = {}

    def serve(built: Platform) -> None:
        urls.update({plan.name: built.listeners[plan.name].url for plan in (API, legacy)})
        built.listeners[legacy.name].app = built.listeners[API.name].app

    platform.replace(Api, "openapi", openapi)
    platform.on("built", serve)
    _open_unlisted(platform, legacy)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "http://help.rivet.example",
        "plain HTTP",
    ),
)
def subdomain_without_tls(platform: Platform) -> None:
    """The home page links to help pages on a subdomain that serves them over plain HTTP."""
    plan = ListenerPlan("help", "help.rivet.example", tls=False)

    async def page(_request: Request) -> Response:
        title = "Help"
        return HTMLResponse(
            f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1><p>How to connect a number."
        )

    def serve(built: Platform) -> None:
        site = Starlette(routes=[Route("/", page, methods=["GET"])])
        serving.publish(built, plan, site, site.routes)

    before = '</div>\n<ul class="cards">'
    edit_template(
        platform,
        "home.html",
        before,
        lambda: f'<p>New here? Read the <a href="{platform.listeners[plan.name].url}/">help pages</a>.</p>\n{before}',
    )
    platform.on("built", serve)
    _open_unlisted(platform, plan)


@sabotage(
    breaks=_CLAIMS,
    also=_ALSO,
    shows=(
        "mixed content",
        "site.css",
    ),
)
def mixed_content_on_a_page(platform: Platform) -> None:
    """The home page loads its style sheet over plain HTTP."""
    plain = f"{WWW.name}-http"
    before = "{% block kind %}home{% endblock %}"
    edit_template(
        platform,
        "home.html",
        before,
        lambda: (
            f"{before}\n{{% block head %}}\n"
            f'<link rel="stylesheet" href="{platform.listeners[plain].url}/site.css">\n{{% endblock %}}'
        ),
    )


def _open_unlisted(platform: Platform, plan: ListenerPlan) -> None:
    """Opens a listener that the deployment's own list of endpoints does not have."""
    platform.replace(EdgePart, "listeners", (*EdgePart.listeners, plan))

    def forget(settled: Platform) -> None:
        del settled.listeners[plan.name]

    platform.on("settled", forget)
