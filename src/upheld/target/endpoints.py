"""Where a deployment is reached, and where its claims are published."""

from __future__ import annotations

from urllib.parse import urlsplit

from upheld.target.parts import DocumentFile, IpAddress, Name, Part, Url


class Endpoint(Part):
    """One address that the deployment serves. `address` pins the IP that the host name must be reached at."""

    name: Name
    url: Url
    address: IpAddress | None = None
    public: bool = True
    pages: tuple[str, ...] = ("/",)
    alone: str | None = None
    """Why there is no other public endpoint, where this is the only one that is described."""

    @property
    def host(self) -> str:
        """The host name in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return urlsplit(self.url).scheme == "https"

    @property
    def port(self) -> int:
        """The TCP port."""
        return urlsplit(self.url).port or (443 if self.secure else 80)

    def __str__(self) -> str:
        """`name (host:port)`, as findings show it."""
        return f"{self.name} ({self.host}:{self.port})"


class Publication(Part):
    """Where the claims are published: the live page, and what tells its text from its chrome."""

    page: str
    main: str = "main"
    security_txt: str | None = None
    security_txt_key: DocumentFile | None = None
    """File with the OpenPGP public key that signs security.txt; without it a signature cannot be verified."""


class Vantage(Part):
    """From where the harness looks, and from which further source addresses it can send (to be several clients)."""

    name: str = "here"
    source_addresses: tuple[IpAddress, ...] = ()
