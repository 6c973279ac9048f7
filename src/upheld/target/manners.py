"""How the harness behaves towards what it looks at: how many requests, how fast, and who is behind them."""

from __future__ import annotations

from pydantic import Field

from upheld.target.parts import Part


class HostLimit(Part):
    """What one host is sent at the most, by all processes of a run together."""

    requests: int | None = Field(default=None, ge=1)
    """Requests in a run; after them every look at the host is inconclusive."""
    per_second: float | None = Field(default=None, gt=0)
    """Requests in a second on average; further ones wait. A check's own time limit does not run meanwhile."""
    burst: int = Field(default=1, ge=1)
    """Requests that may go out at once after a pause."""


class Limits(HostLimit):
    """The limits of each host; `hosts` has other ones for some, by name."""

    hosts: dict[str, HostLimit] = {}

    def of(self, host: str) -> HostLimit:
        """The limits of a host."""
        return self.hosts.get(host, self)
