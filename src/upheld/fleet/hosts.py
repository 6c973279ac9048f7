"""What a target lets upheld send something to, under names by which several targets can be seen to share it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from upheld.probes.scope import Scope, fold
from upheld.target.manners import BACKUP_STORE, DATABASE, MACHINE
from upheld.target.model import Target

KINDS: Final = (DATABASE, BACKUP_STORE, MACHINE)
"""What is reached by other means than HTTP and TLS; what a target has of it is named by one of these and what tells it apart."""


def limited_as(host: str) -> str:
    """What `Limits.of` takes for one of `hosts_of`: itself, or DATABASE, BACKUP_STORE or MACHINE."""
    return next((kind for kind in KINDS if host.startswith(f"{kind} ")), host)


def hosts_of(target: Target) -> frozenset[str]:
    """Every host that the scope of a run lets something be sent to, in lower case, and the database, backup store and machines.

    A database is told from others by the reference to its URL, which is not resolved: what two targets refer to alike counts as one.
    """
    hosts = {fold(host) for host, _ in Scope(target)}
    if target.database is not None:
        hosts.add(f"{DATABASE} {target.database.url}")
    elif target.shared_roles is not None:
        hosts.add(f"{DATABASE} {min(target.shared_roles.roles.values())}")
    if target.backups is not None:
        hosts.add(f"{BACKUP_STORE} {target.backups.store}")
    ways = [_way(target.host.connection, target.host.cluster)] if target.host is not None else []
    # Journals and outputs of containers are read by commands, on this machine where no other one is named.
    ways += [_way(log.connection, log.cluster) or (None if log.path else "local://") for log in target.logs]
    return frozenset(hosts | {f"{MACHINE} {_machine(way)}" for way in ways if way is not None})


def _way(connection: str | None, cluster: str | None) -> str | None:
    """The URL of what commands are really sent to: for pods it is their cluster's API."""
    return cluster if cluster is not None and (connection is None or connection.startswith("kubectl:")) else connection


def _machine(way: str) -> str:
    """What a connection leads to, whoever it is made as."""
    url = urlsplit(way)
    by_name = url.scheme in {"ssh", "paramiko", "http", "https"}
    return fold(url.hostname or "") if by_name else f"{url.scheme}://{url.netloc}{url.path}"
