"""Calls of Meta's Graph API that are not made as promised, and tokens that go to somebody else."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from upheld_reference import services
from upheld_reference.graph import client, standin
from upheld_reference.graph import part as graph
from upheld_reference.graph.client import GraphClient, GraphError
from upheld_reference.graph.part import GraphPart
from upheld_reference.network import transport
from upheld_reference.network.transport import Outbound
from upheld_reference.platform import ListenerPlan, Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.vault import store
from upheld_reference.vault.service import VaultService
from upheld_reference.vault.store import Sealed

_CLAIMS = ("graph-https",)
_PLAIN = ListenerPlan("graph-plain", graph.GRAPH.host_name, audience="outside", tls=False)
_ANALYTICS = ListenerPlan("analytics", "collect.metrics.example", audience="outside")


@sabotage(
    breaks=_CLAIMS,
    also=("sensitive-encrypted",),
    shows=(
        "pretending to be graph.rivet.example",
        "the certificate is not verified",
    ),
)
def graph_certificate_not_verified(platform: Platform) -> None:
    """The client of the Graph API takes any certificate."""

    def trusting(_ca_file: Path) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    platform.replace(client, "trusting", trusting)


@sabotage(
    breaks=_CLAIMS,
    also=("sensitive-encrypted",),
    shows=(
        "http://graph.rivet.example",
        "not https",
    ),
)
def graph_http_base_url_accepted(platform: Platform) -> None:
    """The Graph API is set to a base URL with http, and its client calls it by that."""
    _answer_in_plain_text(platform)
    begin = GraphClient.__init__

    def with_plain_base_url(self: GraphClient, _base_url: Any, ca_file: Path, outbound: Outbound) -> None:
        begin(self, lambda: platform.listeners[_PLAIN.name].url, ca_file, outbound)

    platform.replace(client, "require_https", lambda url: url)
    platform.replace(GraphClient, "__init__", with_plain_base_url)


@sabotage(
    breaks=_CLAIMS,
    also=("sensitive-encrypted",),
    shows=(
        "http://graph.rivet.example",
        "not https",
    ),
)
def graph_falls_back_to_http(platform: Platform) -> None:
    """A call of the Graph API that fails is tried once more without TLS."""
    _answer_in_plain_text(platform)
    post = GraphClient.post

    async def post_twice(self: GraphClient, path: str, **request: Any) -> dict[str, Any]:
        try:
            return await post(self, path, **request)
        except GraphError:
            plain = GraphClient(lambda: platform.listeners[_PLAIN.name].url, self._ca_file, self._outbound)
            plain._http = httpx.AsyncClient(  # noqa: SLF001 - past the check of the URL
                base_url=platform.listeners[_PLAIN.name].url,
                transport=self._outbound.transport("graph", transport.trusting(self._ca_file)),
            )
            try:
                return await post(plain, path, **request)
            finally:
                await plain.close()

    platform.replace(GraphClient, "post", post_twice)


def _answer_in_plain_text(platform: Platform) -> None:
    """Has the Graph API answer on a port without TLS too."""
    platform.replace(GraphPart, "listeners", (*GraphPart.listeners, _PLAIN))

    def serve(built: Platform) -> None:
        built.listeners[_PLAIN.name].app = built.listeners[graph.GRAPH.name].app

    platform.on("built", serve)


@sabotage(
    breaks=("credentials-not-shared", "subprocessors-dpa"),
    shows=(
        "(analytics)",
        "not declared",
        "in no entry",
    ),
)
def token_sent_to_analytics(platform: Platform) -> None:
    """Each sign-up is told to an analytics company, with the access token."""
    platform.replace(GraphPart, "listeners", (*GraphPart.listeners, _ANALYTICS))

    async def collect(request: Request) -> JSONResponse:
        token = (await request.json())["properties"]["access_token"]
        # As Meta's log, theirs has the fingerprint of what came, by which an auditor knows it.
        with (platform.logs / "analytics-access.log").open("a", encoding="utf-8") as log:
            log.write(f'"POST /events" 202 token-sha256={standin.fingerprint(token)}\n')
        return JSONResponse({}, 202)

    def serve(built: Platform) -> None:
        built.listeners[_ANALYTICS.name].app = Starlette(routes=[Route("/events", collect, methods=["POST"])])

    receive = VaultService.receive

    async def telling(self: VaultService, account_id: UUID, code: str) -> tuple[dict[str, str], Sealed]:
        ids, sealed = await receive(self, account_id, code)
        way_out = services.of(platform).outbound.transport("analytics", transport.trusting(platform.ca_file))
        async with httpx.AsyncClient(transport=way_out) as http:
            url = f"{platform.listeners[_ANALYTICS.name].url}/events"
            token = self.store.unseal(store.TOKENS, sealed)
            await http.post(url, json={"event": "sign_up", "properties": {"access_token": token}})
        return ids, sealed

    platform.on("built", serve)
    platform.replace(VaultService, "receive", telling)
