"""What lsblk and findmnt print: on which block devices a path lies, and whether one of their layers encrypts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upheld.errors import Unobservable

_OPAQUE = {
    "zfs": "ZFS may encrypt by itself, which lsblk does not show",
    "overlay": "an overlay does not say on which device it lies",
    "tmpfs": "it is kept in memory, not on a device",
    "nfs": "it lies on another machine",
    "nfs4": "it lies on another machine",
    "cifs": "it lies on another machine",
}


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where the database keeps something: the mount that its path lies in, and the devices under that, the lowest first.

    A volume that spans several disks has several chains. `encrypted` is whether each of them has a layer that encrypts.
    """

    what: str
    path: str
    mount: str
    device: str
    chains: tuple[tuple[str, ...], ...]
    plain: tuple[str, ...]
    collected_at: datetime

    @property
    def encrypted(self) -> bool:
        """Whether every disk that it lies on is below a layer that encrypts."""
        return bool(self.chains) and not self.plain

    def __str__(self) -> str:
        """`what (path)`."""
        return f"{self.what} ({self.path})"


def place_of(what: str, path: str, devices: str, mounts: str, collected_at: datetime) -> DatabasePlace:
    """Where `path` lies by what lsblk (`devices`) and findmnt (`mounts`) printed, both as JSON.

    Raises Unobservable when either cannot be read, or when they do not show on which device the path lies.
    """
    target, source, fstype = _mount_around(path, mounts)
    if reason := _OPAQUE.get(fstype):
        raise Unobservable(f"{path} lies on {fstype} at {target}: {reason}")
    device = source.partition("[")[0]  # A bind mount or a subvolume names its folder behind the device.
    everything = list(_chains(_parsed(devices, "blockdevices", "lsblk")))
    chains = [chain for chain in everything if device in _names(chain[-1])]
    # A file system over several disks (btrfs) has one identifier on all of them, and findmnt names only one.
    identifiers = {chain[-1].get("uuid") for chain in chains} - {None, ""}
    chains += [chain for chain in everything if chain not in chains and chain[-1].get("uuid") in identifiers]
    if not chains:
        raise Unobservable(f"{path} lies on {device} at {target}, which lsblk does not list")
    shown = tuple(
        tuple(f"{one.get('path') or one.get('name')} ({one.get('type')})" for one in chain) for chain in chains
    )
    plain = tuple(
        names[0] for names, chain in zip(shown, chains, strict=True) if all(one.get("type") != "crypt" for one in chain)
    )
    return DatabasePlace(what, path, target, device, shown, plain, collected_at)


def _names(device: dict[str, Any]) -> set[str]:
    return {str(device.get("path")), f"/dev/{device.get('kname')}", f"/dev/{device.get('name')}"}


def _mount_around(path: str, mounts: str) -> tuple[str, str, str]:
    """Target, source and file system of the mount that `path` lies in; the last of several at one place is the one that shows."""
    if not path.startswith("/"):
        raise Unobservable(f"{path!r} is no absolute path")
    around = [
        (str(one["target"]), str(one.get("source", "")), str(one.get("fstype", "")))
        for one in _tree(_parsed(mounts, "filesystems", "findmnt"))
        if isinstance(one.get("target"), str) and f"{path}/".startswith(f"{one['target'].rstrip('/')}/")
    ]
    if not around:
        raise Unobservable(f"findmnt lists no mount that {path} lies in")
    longest = max(len(target) for target, _, _ in around)
    return [one for one in around if len(one[0]) == longest][-1]


def _parsed(text: str, key: str, tool: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise Unobservable(f"what {tool} printed is no JSON") from None
    listed = data.get(key) if isinstance(data, dict) else None
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        raise Unobservable(f"{tool} listed nothing under {key}")
    return listed


def _tree(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for chain in _chains(nodes):
        yield chain[-1]


def _chains(
    nodes: list[dict[str, Any]], above: tuple[dict[str, Any], ...] = ()
) -> Iterator[tuple[dict[str, Any], ...]]:
    """Every node with those above it, the topmost first."""
    for node in nodes:
        chain = (*above, node)
        yield chain
        children = node.get("children", [])
        if isinstance(children, list) and len(chain) < 64:
            yield from _chains([one for one in children if isinstance(one, dict)], chain)
