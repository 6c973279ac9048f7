"""How the harness behaves towards what it looks at: how many requests, how fast, and who is behind them."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from upheld.target.parts import Part

DATABASE: Final = "the database"
BACKUP_STORE: Final = "the backup store"
MACHINE: Final = "the host"
"""What is sent something by other means than HTTP and TLS; no host can be called so."""


class HostLimit(Part):
    """What one host is sent at the most, by all processes of a run together."""

    requests: int | None = Field(default=None, ge=1)
    """Requests in a run; after them every look at the host is inconclusive."""
    per_second: float | None = Field(default=None, gt=0)
    """Requests in a second on average; further ones wait. A check's own time limit does not run meanwhile."""
    burst: int = Field(default=1, ge=1)
    """Requests that may go out at once after a pause."""

    def smaller(self, other: HostLimit) -> HostLimit:
        """The limit that keeps to this one and to the other."""
        rated = [limit for limit in (self, other) if limit.per_second is not None]
        return HostLimit(
            requests=min((limit.requests for limit in (self, other) if limit.requests is not None), default=None),
            per_second=min((limit.per_second for limit in rated if limit.per_second is not None), default=None),
            # Without a rate a burst says nothing.
            burst=min((limit.burst for limit in rated), default=1),
        )


class Limits(HostLimit):
    """The limits of each host, and of whatever else is asked; some may have other ones.

    A handshake counts as a request, as do a statement to the database, a call of the backup store (4 MiB that are read, 1,000
    objects that are listed) and a command on the host.
    """

    hosts: dict[str, HostLimit] = {}
    """The limits of single hosts, by the name in their URL."""
    database: HostLimit | None = None
    """The limits of the database, by default as those of a host."""
    backups: HostLimit | None = None
    """The limits of the store of backups, by default as those of a host."""
    host: HostLimit | None = None
    """The limits of commands on the host, by default as those of a host."""

    def of(self, host: str) -> HostLimit:
        """The limits of a host, or of DATABASE, BACKUP_STORE or MACHINE."""
        others = {DATABASE: self.database, BACKUP_STORE: self.backups, MACHINE: self.host}
        if host in others:
            return others[host] or self
        return next((limit for name, limit in self.hosts.items() if name.lower().rstrip(".") == host), self)
