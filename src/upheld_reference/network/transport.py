"""The one way out: names by the deployment's resolver, a certificate for the name, and a line in the record.

A name is looked up once, by ``Outbound.look_up`` or else where the connection is opened, and the connection goes to an
address of that very answer. What a ``Choose`` function has looked at is therefore what is connected to.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import httpcore
import httpx

from upheld_reference.network.record import Call, OutboundRecord
from upheld_reference.network.zone import Address, Answer, NameNotFoundError, Resolver

Choose = Callable[[str, Answer], Address]
"""Says which address of a host's answer to connect to; raises AddressRefusedError when it may be none of them."""

ANSWER = "rivet.answer"
"""The key of a request's extensions under which is what ``Outbound.look_up`` gave for its host."""

_CONNECTIONS = 20


class AddressRefusedError(Exception):
    """A name has an address that the platform does not connect to."""

    def __init__(self, address: Address) -> None:
        """Carries the address."""
        self.address = address
        super().__init__(f"{address} is not an address on the public internet")


def first(_host: str, answer: Answer) -> Address:
    """The first address of the answer: for destinations that the platform itself has chosen."""
    return answer[0]


def trusting(ca_file: Path) -> ssl.SSLContext:
    """A client's TLS context: TLS 1.2 or later, and a chain to the authorities in ``ca_file`` for the name asked for."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def failure(error: BaseException) -> str:
    """Why a call has no answer, in a few words that repeat nothing of it."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for kind, words in _FAILURES:
        if any(isinstance(one, kind) for one in causes):
            return words
    return "failed"


_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefusedError, "address refused"),
    (NameNotFoundError, "name not found"),
    (ssl.SSLCertVerificationError, "certificate refused"),
    (ssl.SSLError, "no TLS"),
    (httpx.TimeoutException, "timed out"),
    (TimeoutError, "timed out"),
    (httpx.ConnectError, "no connection"),
    (httpx.HTTPError, "no answer"),
)


@dataclass(frozen=True)
class LookedUp:
    """A host with the addresses that it had when it was looked up."""

    host: str
    answer: Answer


@dataclass
class _Attempt:
    """What the transport and the backend have to tell each other of a request that is being sent in their task."""

    looked_up: LookedUp | None = None
    address: str | None = None


_attempt: ContextVar[_Attempt | None] = ContextVar("outbound_attempt", default=None)


class _ResolvingBackend(httpcore.AnyIOBackend):
    """Opens TCP connections to what the resolver answers."""

    def __init__(self, resolver: Resolver, choose: Choose) -> None:
        self._resolver = resolver
        self._choose = choose

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            address = self._choose(host, self._answer(host))
        except AddressRefusedError as error:
            self._note(error.address)
            raise httpcore.ConnectError(str(error)) from error
        except NameNotFoundError as error:
            raise httpcore.ConnectError(str(error)) from error
        self._note(address)
        return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)

    def _answer(self, host: str) -> Answer:
        attempt = _attempt.get()
        known = None if attempt is None else attempt.looked_up
        return known.answer if known is not None and known.host == host else self._resolver.look_up(host)

    def _note(self, address: Address) -> None:
        attempt = _attempt.get()
        if attempt is not None:
            attempt.address = str(address)


class OutboundTransport(httpx.AsyncHTTPTransport):
    """An httpx transport for one purpose; errors are those of httpx, and ``failure`` puts them in words."""

    def __init__(
        self,
        purpose: str,
        resolver: Resolver,
        record: OutboundRecord,
        trusted: ssl.SSLContext,
        choose: Choose = first,
        *,
        keep_alive: bool = True,
    ) -> None:
        """Verifies servers by ``trusted``, and goes to the addresses that ``choose`` takes."""
        super().__init__(verify=trusted)
        # httpx offers no way to hand a network backend to its pool, so the pool is made here as httpx makes it.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS if keep_alive else 0,
            network_backend=_ResolvingBackend(resolver, choose),
        )
        self._purpose = purpose
        self._record = record

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request and writes it down."""
        attempt = _Attempt(request.extensions.get(ANSWER))
        token = _attempt.set(attempt)
        outcome = "given up"  # what remains when the task is cancelled
        try:
            response = await super().handle_async_request(request)
            outcome = f"answered {response.status_code}"
            peer = response.extensions["network_stream"].get_extra_info("server_addr")
            attempt.address = peer[0] if peer else attempt.address
            return response
        except Exception as error:
            outcome = failure(error)
            raise
        finally:
            _attempt.reset(token)
            self._record.add(_call(self._purpose, request.url, attempt.address, outcome))


class Outbound:
    """What the platform reaches the rest of the world through."""

    def __init__(self, resolver: Resolver, record: OutboundRecord) -> None:
        """Looks names up in ``resolver`` and writes to ``record``."""
        self.resolver = resolver
        self.record = record

    def transport(
        self, purpose: str, trusted: ssl.SSLContext, choose: Choose = first, *, keep_alive: bool = True
    ) -> OutboundTransport:
        """A transport for ``purpose``; see OutboundTransport."""
        return OutboundTransport(purpose, self.resolver, self.record, trusted, choose, keep_alive=keep_alive)

    def look_up(self, purpose: str, url: httpx.URL, choose: Choose = first) -> LookedUp:
        """What the host of ``url`` resolves to, to be handed to the transport under `ANSWER`; nothing is connected to yet.

        Raises NameNotFoundError, or AddressRefusedError by ``choose``; the call that ends so is in the record.
        """
        address = None
        try:
            host = _host(url)
            looked_up = LookedUp(host, self.resolver.look_up(host))
            choose(host, looked_up.answer)
        except (NameNotFoundError, AddressRefusedError) as error:
            if isinstance(error, AddressRefusedError):
                address = str(error.address)
            self.record.add(_call(purpose, url, address, failure(error)))
            raise
        return looked_up


def _call(purpose: str, url: httpx.URL, address: str | None, outcome: str) -> Call:
    port = url.port or (443 if url.scheme == "https" else 80)
    return Call(purpose, _host(url), address, port, url.scheme, outcome)


def _host(url: httpx.URL) -> str:
    """The host as it goes over the wire: ``URL.host`` is for people and decodes A-labels."""
    return url.raw_host.decode("ascii")
