"""The host's disks and mounts, as lsblk and findmnt print them, and where PostgreSQL keeps its data, log and temporary files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from upheld_reference.host.recording import HOST, Recording

COLUMNS = (
    *("NAME", "KNAME", "PATH", "PKNAME", "MAJ:MIN", "TYPE", "FSTYPE", "FSVER", "LABEL", "UUID", "SIZE"),
    *("RO", "RM", "MODEL", "SERIAL", "VENDOR", "TRAN", "MOUNTPOINTS"),
)
"""What lsblk was asked for."""
_UTIL_LINUX = "util-linux 2.38.1"


@dataclass(frozen=True)
class Volume:
    """A logical volume with a file system that is mounted."""

    name: str
    size: str
    target: str
    """Where it is mounted; ``[SWAP]`` for swap space."""
    fstype: str = "ext4"


@dataclass(frozen=True)
class Disk:
    """A disk whose space is one volume group, below a LUKS layer if it is encrypted."""

    name: str
    size: str
    model: str
    serial: str
    group: str
    """The volume group."""
    volumes: tuple[Volume, ...]
    encrypted: bool = True
    bootable: bool = False
    """Whether it has a boot loader's partitions before the volume group, which cannot be encrypted."""


SYSTEM_DISK = Disk(
    *("sda", "240G", "QEMU HARDDISK", "48211907", "system"),
    (Volume("root", "200G", "/"), Volume("log", "28G", "/var/log"), Volume("swap", "8G", "[SWAP]", "swap")),
    bootable=True,
)
"""The server's own disk."""
DATA = Volume("data", "160G", "/var/lib/postgresql")
"""PostgreSQL's data directory."""
WAL = Volume("wal", "40G", "/var/lib/postgresql/wal")
"""PostgreSQL's write-ahead log."""
TEMPORARY = Volume("temp", "20G", "/var/lib/postgresql/temp")
"""PostgreSQL's temporary files."""
DATABASE_DISK = Disk("sdb", "250G", "Volume", "101774583", "pg", (DATA, WAL, TEMPORARY))
"""The volume that the provider attached for the database."""
DISKS = (SYSTEM_DISK, DATABASE_DISK)
"""All disks of the host."""
DATA_DIRECTORY = f"{DATA.target}/18/main"
"""Where PostgreSQL keeps its data."""


def recordings() -> Mapping[str, Recording]:
    """Block devices, mounts and PostgreSQL's places."""
    temporary = "SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = current_setting('temp_tablespaces')"
    return {
        "lsblk.json": Recording(_UTIL_LINUX, f"lsblk --json --output {','.join(COLUMNS)}", _lsblk()),
        "findmnt.json": Recording(_UTIL_LINUX, "findmnt --json --real", _findmnt()),
        "postgres-data.txt": Recording("psql 18.4", "psql -XAtc 'SHOW data_directory'", f"{DATA_DIRECTORY}\n"),
        "postgres-wal.txt": Recording(
            "coreutils 9.1", f"readlink -f {DATA_DIRECTORY}/pg_wal", f"{WAL.target}/18/main\n"
        ),
        "postgres-temp.txt": Recording("psql 18.4", f'psql -XAtc "{temporary}"', f"scratch|{TEMPORARY.target}/18\n"),
    }


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_DNS, f"{name}.{HOST}"))


class _Numbers:
    """Hands out the kernel's names and numbers of devices."""

    def __init__(self) -> None:
        self._mapped = iter(range(100))
        self._disks = iter(range(0, 256, 16))

    def mapped(self) -> tuple[str, str]:
        number = next(self._mapped)
        return f"dm-{number}", f"254:{number}"

    def disk(self) -> int:
        return next(self._disks)


def _device(name: str, kname: str, path: str, parent: str | None, number: str, kind: str, size: str) -> dict[str, Any]:
    """A device of which nothing more is known; the keys are in the order in which lsblk was asked for them."""
    device: dict[str, Any] = dict.fromkeys(column.lower() for column in COLUMNS)
    device |= {"name": name, "kname": kname, "path": path, "pkname": parent, "maj:min": number, "type": kind}
    return device | {"size": size, "ro": False, "rm": False, "mountpoints": [None]}


def _lsblk() -> str:
    numbers = _Numbers()
    return json.dumps({"blockdevices": [_disk(disk, numbers) for disk in DISKS]}, indent=3) + "\n"


def _disk(disk: Disk, numbers: _Numbers) -> dict[str, Any]:
    minor, name = numbers.disk(), disk.name
    whole = _device(name, name, f"/dev/{name}", None, f"8:{minor}", "disk", disk.size)
    whole |= {"model": disk.model, "serial": disk.serial, "vendor": "QEMU" if disk.bootable else "HC"}
    if not disk.bootable:
        _fill(whole, disk, numbers)
        return whole

    def partition(n: int, size: str) -> dict[str, Any]:
        return _device(f"{name}{n}", f"{name}{n}", f"/dev/{name}{n}", name, f"8:{minor + n}", "part", size)

    efi = {"fstype": "vfat", "fsver": "FAT32", "uuid": "5A1C-7E03", "mountpoints": ["/boot/efi"]}
    boot = {"fstype": "ext4", "fsver": "1.0", "uuid": _uuid(f"{name}2"), "mountpoints": ["/boot"]}
    rest = partition(3, "238.7G")
    _fill(rest, disk, numbers)
    whole["children"] = [partition(1, "256M") | efi, partition(2, "1G") | boot, rest]
    return whole


def _fill(device: dict[str, Any], disk: Disk, numbers: _Numbers) -> None:
    """Puts the volume group on ``device``, with a LUKS layer between if the disk is encrypted."""
    below = device
    if disk.encrypted:
        device |= {"fstype": "crypto_LUKS", "fsver": "2", "uuid": _uuid(f"{disk.name}-luks")}
        name, (kname, number) = f"{disk.group}_crypt", numbers.mapped()
        below = _device(name, kname, f"/dev/mapper/{name}", device["kname"], number, "crypt", device["size"])
        device["children"] = [below]
    below |= {"fstype": "LVM2_member", "fsver": "LVM2 001", "uuid": _uuid(f"{disk.name}-pv")}
    below["children"] = [_volume(disk.group, volume, below["kname"], numbers) for volume in disk.volumes]


def _volume(group: str, volume: Volume, parent: str, numbers: _Numbers) -> dict[str, Any]:
    name, (kname, number) = f"{group}-{volume.name}", numbers.mapped()
    device = _device(name, kname, f"/dev/mapper/{name}", parent, number, "lvm", volume.size)
    version = "1.0" if volume.fstype == "ext4" else "1"
    return device | {"fstype": volume.fstype, "fsver": version, "uuid": _uuid(name), "mountpoints": [volume.target]}


def _mounts() -> Iterator[dict[str, Any]]:
    for disk in DISKS:
        for volume in disk.volumes:
            if volume.target.startswith("/"):
                source = f"/dev/mapper/{disk.group}-{volume.name}"
                options = "rw,relatime,errors=remount-ro" if volume.target == "/" else "rw,nosuid,nodev,relatime"
                yield {"target": volume.target, "source": source, "fstype": volume.fstype, "options": options}
        if disk.bootable:
            yield {"target": "/boot", "source": f"/dev/{disk.name}2", "fstype": "ext4", "options": "rw,relatime"}
            options = (
                "rw,relatime,fmask=0077,dmask=0077,codepage=437,iocharset=ascii,shortname=mixed,utf8,errors=remount-ro"
            )
            yield {"target": "/boot/efi", "source": f"/dev/{disk.name}1", "fstype": "vfat", "options": options}


def _findmnt() -> str:
    """The mounts as a tree: each below the nearest one that its path lies in."""
    roots: list[dict[str, Any]] = []
    placed: list[dict[str, Any]] = []
    for mount in sorted(_mounts(), key=lambda found: str(found["target"])):
        target = f"{mount['target'].rstrip('/')}/"
        around = [found for found in placed if target.startswith(f"{found['target'].rstrip('/')}/")]
        parent = max(around, key=lambda found: len(found["target"]), default=None)
        (roots if parent is None else parent.setdefault("children", [])).append(mount)
        placed.append(mount)
    return json.dumps({"filesystems": roots}, indent=3) + "\n"
