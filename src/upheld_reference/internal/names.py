"""Which internal services there are, and who may call whom: data, for the listeners and for whoever audits them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DOMAIN = "internal.rivet.example"
"""The domain of every internal service; no name of it leads anywhere but inside."""

SERVICES = ("api", "worker", "vault", "migrations", "monitor")
"""The services that have a client certificate of the internal authority, beside those that a database role is for."""

CALLERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "vault": frozenset({"api", "worker", "migrations", "monitor"}),
        "worker": frozenset({"api", "monitor"}),
    }
)
"""The services that may call each internal listener; one that is not listed is called by nobody."""


def host_name(service: str) -> str:
    """The name on the certificate of ``service``."""
    return f"{service}.{DOMAIN}"


def service_of(name: str) -> str | None:
    """The service whose certificate carries ``name``; None for a name outside the domain of internal services."""
    service, _, domain = name.partition(".")
    return service if domain == DOMAIN else None
