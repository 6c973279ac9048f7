"""The share of a fleet's limits that one attempt has, merged into those of its target: of each the smaller one counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upheld import documents
from upheld.fleet.plain import as_yaml
from upheld.probes.scope import Scope
from upheld.target.load import load_target
from upheld.target.manners import BACKUP_STORE, DATABASE, MACHINE, Limits
from upheld.target.model import Target

_OTHERS = {"database": DATABASE, "backups": BACKUP_STORE, "host": MACHINE}


def shared(file: Path, share: Mapping[str, Any]) -> bytes:
    """The description in that file with its limits and this share of others; raises InputError where either is wrong."""
    target, _ = load_target(file)
    data = dict(documents.load(file).data)
    merged = smaller(target.limits or Limits(), _limits(share), _named(target))
    data["limits"] = merged.model_dump(mode="json", exclude_none=True)
    return as_yaml(data)


def _limits(share: Mapping[str, Any]) -> Limits:
    """A share as limits; in its `hosts` may also stand what the database, the backups and the machine are called."""
    hosts = dict(share.get("hosts") or {})
    others = {field: hosts.pop(name) for field, name in _OTHERS.items() if name in hosts}
    return Limits.model_validate({**others, **share, "hosts": hosts})


def _named(target: Target) -> frozenset[str]:
    """The hosts to which a description can give limits of their own."""
    return frozenset(host for host, _ in Scope(target))


def smaller(one: Limits, other: Limits, hosts: frozenset[str]) -> Limits:
    """Limits that keep to both, for each of these hosts and for all others."""
    named = {name.lower().rstrip(".") for limits in (one, other) for name in limits.hosts}
    default = one.smaller(other)
    for name in sorted(named - hosts):
        # It can be given no limit of its own there, so that all others get this one too, rather than none.
        default = default.smaller(one.of(name).smaller(other.of(name)))
    return Limits(
        **default.model_dump(),
        hosts={name: one.of(name).smaller(other.of(name)) for name in sorted(named & hosts)},
        **{field: one.of(name).smaller(other.of(name)) for field, name in _OTHERS.items()},
    )
