"""The fleet's limits in the words of a target: what one may send each host, and what an attempt sent of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from upheld.fleet.admitting import Share, Wanted
from upheld.fleet.hosts import limited_as
from upheld.fleet.members import Member
from upheld.target.manners import BACKUP_STORE, DATABASE, MACHINE, HostLimit, Limits

_PARTS = {DATABASE: "database", BACKUP_STORE: "backups", MACHINE: "host"}
"""What is no host of a URL has limits in a part of its own."""


def limit_of(limits: Limits | None) -> Callable[[str], HostLimit] | None:
    """The fleet's limits of each of a member's hosts; None where it has none."""
    if limits is None:
        return None
    return lambda host: limits.of(limited_as(host))


def wanted(member: Member, not_before: float = 0.0) -> Wanted:
    """A member as it waits, with the budgets of its own description."""
    given = member.target.get("limits")
    own = Limits.model_validate(given) if given is not None else None
    budgets = {host: own.of(limited_as(host)).requests for host in member.hosts} if own is not None else {}
    return Wanted(
        member.name, member.hosts, {host: count for host, count in budgets.items() if count is not None}, not_before
    )


def share_of(shares: Mapping[str, Share], limits: Limits | None) -> dict[str, Any]:
    """Shares as they travel: in the shape of a target's limits. A host that has no share gets what the fleet says of any host."""
    if limits is None:
        return {}
    parts: dict[str, HostLimit] = {}
    hosts: dict[str, Any] = {}
    for name, share in shares.items():
        limit = HostLimit(requests=share.requests, per_second=share.per_second, burst=share.burst)
        kind = limited_as(name)
        if kind not in _PARTS:
            hosts[name] = _plain(limit)
            continue
        # A run counts all its machines as one, and so gets of them what the least of them allows.
        part = _PARTS[kind]
        parts[part] = parts[part].smaller(limit) if part in parts else limit
    whole = {**_plain(limits), **{part: _plain(limit) for part, limit in parts.items()}}
    return {**whole, "hosts": hosts} if hosts else whole


def leases_of(shares: Mapping[str, Share]) -> dict[str, int | None]:
    """How many requests each host may be sent by an attempt; None where only the rate is limited."""
    return {host: share.requests for host, share in shares.items()}


def counted(shares: Mapping[str, Share], sent: Mapping[str, int] | None) -> dict[str, int]:
    """What counts as sent to each host with a share: what was counted, or all that it might be where nobody knows."""
    if sent is None:
        return {host: share.requests or 0 for host, share in shares.items()}
    return {host: sent.get(limited_as(host), 0) for host in shares}


def _plain(limit: HostLimit) -> dict[str, Any]:
    given = {"requests": limit.requests, "per_second": limit.per_second}
    return {name: value for name, value in given.items() if value is not None} | {"burst": limit.burst}
