"""The parts of a deployment while it is being put together, and the stages at which something may change them."""

from __future__ import annotations

import inspect
import socket
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from upheld_reference.settings import Settings

if TYPE_CHECKING:
    from upheld_reference.internal.certificates import InternalCertificates
    from upheld_reference.pki import Authority

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

Stage = Literal["configured", "seeded", "built", "settled"]
"""``configured``: before any part is built; ``seeded``: the database holds its first rows and no job has run yet;
``built``: the listeners exist but do not serve yet; ``settled``: everything serves and every part has done what it does
once, but nobody has been told yet."""

Audience = Literal["public", "staff", "internal", "outside"]
"""Who reaches a listener: ``public``: customers; ``staff``: the platform's own people; ``internal``: its own services, by
mTLS; ``outside``: the platform itself, for the listener stands for somebody else's service."""

Protocol = Literal["http", "postgresql"]
"""What a listener speaks."""

Action = Callable[["Platform"], Awaitable[None] | None]
"""What a stage runs."""


@dataclass(frozen=True)
class ListenerPlan:
    """A listener that a part wants to have."""

    name: str
    """What the deployment calls it."""
    host_name: str
    """The name that clients ask for, and that the certificate carries."""
    audience: Audience = "public"
    """Who reaches it; an internal one asks for a client certificate."""
    tls: bool = True
    """Whether it speaks TLS."""
    address: str = "127.0.0.1"
    """The address that it is bound to."""
    protocol: Protocol = "http"
    """What it speaks, inside TLS where it has that."""


@dataclass
class Listener:
    """One listening socket with the application behind it."""

    name: str
    """What the deployment calls it, such as www, api or vault."""
    host_name: str
    """The name that clients ask for, and that the certificate carries."""
    app: Asgi
    """The ASGI application that it serves."""
    tls: ssl.SSLContext | None
    """The server's TLS context; None for plain HTTP."""
    sock: socket.socket
    """The bound socket."""
    audience: Audience
    """Who reaches it."""
    address: str = "127.0.0.1"
    """The address that the socket is bound to."""
    protocol: Protocol = "http"
    """What it speaks; one that is not HTTP has no ``app``, and the part that planned it serves it."""

    @property
    def public(self) -> bool:
        """Whether the platform's customers reach it."""
        return self.audience == "public"

    @property
    def port(self) -> int:
        """The TCP port at ``address``."""
        return int(self.sock.getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, host name and port, without a final slash."""
        scheme = "postgresql" if self.protocol == "postgresql" else "http" if self.tls is None else "https"
        return f"{scheme}://{self.host_name}:{self.port}"


class Platform:
    """A deployment that is being put together.

    Whoever wants it to be different changes the parts through this object; the parts know nothing of that.
    """

    def __init__(self, settings: Settings) -> None:
        """Starts with nothing but settings; they may be replaced until the parts are built."""
        self.settings = settings
        self.listeners: dict[str, Listener] = {}
        """Listeners by name. The sockets are bound before any application is built, so that ``url`` is known."""
        self.internal: InternalCertificates
        """The authority and the certificates of the internal services; there from before the first listener on."""
        self.schema: list[str] = []
        """SQL scripts that the superuser runs, in order, on the empty database."""
        self.seed: list[str] = []
        """SQL scripts that the superuser runs, in order, after the first rows are in."""
        self.urls: dict[str, str] = {}
        """PostgreSQL URLs by role: superuser, owner, application, retention, auditor, planter, staff, backup."""
        self.authority: Authority | None = None
        """The authority behind every certificate of public names, once the listeners are bound."""
        self.facts: dict[str, Any] = {}
        """What deployment.json carries beside the facts of the infrastructure; plain JSON types only."""
        self._actions: dict[str, list[Action]] = {"configured": [], "seeded": [], "built": [], "settled": []}

    @property
    def folder(self) -> Path:
        """The folder that holds everything of the deployment."""
        return self.settings.folder

    @property
    def logs(self) -> Path:
        """Where every log file is written."""
        return self.folder / "logs"

    @property
    def exports(self) -> Path:
        """Where the files of exports are written, in one folder for each workspace."""
        return self.folder / "exports"

    @property
    def secrets(self) -> Path:
        """Where key material is kept; only the owner of the process may enter."""
        return self.folder / "secrets"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed every server certificate of public names, as PEM."""
        return self.folder / "ca.pem"

    def replace(self, owner: object, name: str, value: object) -> None:
        """Swaps the attribute ``name`` of a module, class or object for ``value``.

        Raises AttributeError when ``owner`` has no such attribute, so that a renamed part is noticed.
        """
        getattr(owner, name)
        setattr(owner, name, value)

    def on(self, stage: Stage, action: Action) -> None:
        """Has ``action`` called with this platform when ``stage`` is reached; raises KeyError for an unknown stage."""
        self._actions[stage].append(action)

    async def reach(self, stage: Stage) -> None:
        """Runs the actions of ``stage`` in the order in which they were registered."""
        for action in self._actions[stage]:
            outcome = action(self)
            if inspect.isawaitable(outcome):
                await outcome
