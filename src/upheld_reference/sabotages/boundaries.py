"""Webhooks that lead inside, and workspaces that one database role does not keep apart."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import httpx

from upheld_reference.network import guard as guarding
from upheld_reference.network.guard import Destination, Guard, UrlRefusedError
from upheld_reference.network.transport import LookedUp, Outbound
from upheld_reference.network.zone import Address, Answer, address_literal
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.webhooks import sending
from upheld_reference.webhooks.sending import PURPOSE, Sender

_CLAIMS = ("network-boundaries",)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "a name that resolves to",
        "leads inside",
    ),
)
def guard_checks_name_only(platform: Platform) -> None:
    """A webhook's host name is compared with a list of inner names, and what it resolves to is never looked at."""
    destination_of, inner = Guard.destination, (".rivet.example", ".localhost", ".internal")

    def destination(self: Guard, url: str) -> Destination:
        found = destination_of(self, url)
        if found.host.endswith(inner):
            raise UrlRefusedError("must lead to a host on the public internet")
        return found

    platform.replace(Guard, "destination", destination)
    platform.replace(Guard, "choose", lambda _self, _host, answer: answer[0])


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "a name that resolves by turns to",
        "leads inside",
    ),
)
def guard_resolves_twice(platform: Platform) -> None:
    """A webhook's name is resolved and looked at, and then resolved once more for the connection (DNS rebinding)."""

    def new_client(outbound: Outbound, _guard: Guard, trusted: ssl.SSLContext) -> httpx.AsyncClient:
        transport = outbound.transport(PURPOSE, trusted, keep_alive=False)
        return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)

    async def post(self: Sender, url: httpx.URL, headers: dict[str, str], body: bytes, _looked_up: LookedUp) -> int:
        async with self._client.stream("POST", url, headers=headers, content=body) as response:
            return response.status_code

    platform.replace(sending, "new_client", new_client)
    platform.replace(Sender, "_post", post)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "the URL https://0x",
        "leads inside",
    ),
)
def guard_misses_odd_spellings(platform: Platform) -> None:
    """The guard knows an IPv4 address by its four decimal numbers only; octal, hexadecimal and short ones it takes for names."""
    read, choose_checked = guarding.host_name, Guard.choose

    def host_name(written: str) -> str:
        try:
            return read(written)
        except UrlRefusedError:
            four_numbers = written.count(".") == 3 and all(_plain(part) for part in written.split("."))
            if four_numbers or not written.isascii() or address_literal(written) is None:
                raise
            return written.lower()

    def choose(self: Guard, host: str, answer: Answer) -> Address:
        return answer[0] if address_literal(host) else choose_checked(self, host, answer)

    platform.replace(guarding, "host_name", host_name)
    platform.replace(Guard, "choose", choose)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "a redirect to https://",
        "leads inside",
    ),
)
def webhook_redirect_followed_inside(platform: Platform) -> None:
    """Deliveries follow redirects to https URLs, and only the first address of such a chain is looked at."""

    def new_client(outbound: Outbound, guard: Guard, trusted: ssl.SSLContext) -> httpx.AsyncClient:
        looked_at = outbound.transport(PURPOSE, trusted, guard.choose, keep_alive=False)
        following = outbound.transport(PURPOSE, trusted, keep_alive=False)
        return httpx.AsyncClient(transport=_Following(looked_at, following), trust_env=False)

    platform.replace(sending, "new_client", new_client)


@sabotage(
    breaks=(*_CLAIMS, "tenant-isolation"),
    shows=(
        "app.contacts",
        "row security is off",
    ),
)
def shared_database_role_without_row_security(platform: Platform) -> None:
    """All workspaces share the database roles, and row security is off for contacts, templates, webhooks and deliveries."""
    for table in _SHARED_TABLES:
        platform.schema.append(f"ALTER TABLE app.{table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")


_SHARED_TABLES: Sequence[str] = ("contacts", "templates", "webhooks", "webhook_deliveries")
"""What the application's and the worker's role read, and nobody else by a policy."""


class _Following(httpx.AsyncBaseTransport):
    """Sends a request to wherever the answers to it say."""

    def __init__(self, first: httpx.AsyncBaseTransport, later: httpx.AsyncBaseTransport) -> None:
        self._first = first
        self._later = later

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._first.handle_async_request(request)
        for _ in range(5):
            url = request.url.join(response.headers.get("location", ""))
            if not response.has_redirect_location or url.scheme != "https":
                break
            await response.aclose()
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            request = httpx.Request(
                request.method, url, headers=headers, content=request.content, extensions=request.extensions
            )
            response = await self._later.handle_async_request(request)
        return response

    async def aclose(self) -> None:
        await self._first.aclose()
        await self._later.aclose()


def _plain(part: str) -> bool:
    return part.isdecimal() and str(int(part)) == part
