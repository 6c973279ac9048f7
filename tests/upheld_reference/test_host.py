"""The recorded host is as promised, in the formats of the tools, and each defect of it can be seen in them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from upheld_reference import sabotages
from upheld_reference.host import access, storage
from upheld_reference.host.part import HostPart
from upheld_reference.host.recording import LABEL
from upheld_reference.platform import Platform
from upheld_reference.settings import Settings

GERMAN_PLACES = ("fsn1", "nbg1")
"""Falkenstein and Nuremberg, as Hetzner abbreviates them."""


class Host:
    """The recordings of one deployment, as an auditor reads them."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder = folder
        self.facts = facts
        self.manifest = yaml.safe_load(self.text("facts.yaml"))

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def collected(self, name: str) -> datetime:
        return datetime.fromisoformat(self.manifest["files"][name]["collected_at"])

    def devices(self) -> list[tuple[dict[str, Any], ...]]:
        """Every block device with those that it lies on, the lowest first."""

        def walk(device: dict[str, Any], above: tuple[dict[str, Any], ...]) -> list[tuple[dict[str, Any], ...]]:
            chain = (*above, device)
            return [chain, *(found for child in device.get("children", []) for found in walk(child, chain))]

        return [found for disk in json.loads(self.text("lsblk.json"))["blockdevices"] for found in walk(disk, ())]

    def mounts(self) -> dict[str, str]:
        """Sources by target."""
        found: dict[str, str] = {}

        def walk(mount: dict[str, Any]) -> None:
            found[mount["target"]] = mount["source"]
            for child in mount.get("children", []):
                walk(child)

        for mount in json.loads(self.text("findmnt.json"))["filesystems"]:
            walk(mount)
        return found

    def encrypted(self, path: str) -> bool:
        """Whether the file system that ``path`` lies in is on an encrypted device."""
        mounts = self.mounts()
        target = max((t for t in mounts if f"{path}/".startswith(f"{t.rstrip('/')}/")), key=len)
        [chain] = [chain for chain in self.devices() if chain[-1]["path"] == mounts[target]]
        return any(device["type"] == "crypt" for device in chain)


def violations(host: Host, now: datetime) -> set[str]:
    """What of the promises the recordings show to be broken."""
    found = set()
    for name in ("postgres-data.txt", "postgres-wal.txt", "postgres-temp.txt"):
        if not host.encrypted(host.text(name).strip().rpartition("|")[2]):
            found.add(f"{name} is not on an encrypted device")
    metadata = yaml.safe_load(host.text("provider-metadata.yaml"))
    if not str(metadata.get("availability-zone", "")).startswith(GERMAN_PLACES):
        found.add("not in Germany")
    maker = re.search(r"^\tManufacturer: (.+)$", host.text("dmidecode.txt"), re.MULTILINE)
    if maker is None or maker[1] != "Hetzner":
        found.add("not of Hetzner")
    for name in host.manifest["files"]:
        if now - host.collected(name) > timedelta(days=30):
            found.add(f"{name} is old")
    found |= patch_violations(host, now)
    sshd = dict(line.split(" ", 1) for line in host.text("sshd-T.txt").splitlines() if " " in line)
    if sshd["permitrootlogin"] != "no":
        found.add("root may log in")
    if sshd["passwordauthentication"] != "no" or sshd["kbdinteractiveauthentication"] != "no":
        found.add("passwords are let in")
    allowed = {fingerprint for keys in host.facts["authorized_fingerprints"].values() for fingerprint in keys}
    if not set(fingerprints(host)) <= allowed:
        found.add("an undeclared key is let in")
    people = {
        fields[0]
        for line in host.text("passwd.txt").splitlines()
        if 1000 <= int((fields := line.split(":"))[2]) < 60000
    }
    if not people <= {*host.facts["service_accounts"], *host.facts["break_glass_accounts"]}:
        found.add("a personal account")
    processes = [line.split(None, 1) for line in host.text("ps.txt").splitlines()[1:]]
    for service in host.facts["services"]:
        users = {user for user, command in processes if command == service}
        if not users or "root" in users:
            found.add(f"{service} runs as {users or 'nobody'}")
    return found


def patch_violations(host: Host, now: datetime) -> set[str]:
    """What of the promise of automatic patching is broken."""
    found = set()
    periodic = dict(re.findall(r'^APT::Periodic::([\w-]+) "(\d+)";$', host.text("apt-config.txt"), re.MULTILINE))
    if periodic.get("Unattended-Upgrade") != "1" or periodic.get("Update-Package-Lists") != "1":
        found.add("upgrades are off")
    log = host.text("unattended-upgrades.log")
    runs = re.findall(r"^(\S+ \S+),\d{3} INFO Starting unattended upgrades script$", log, re.MULTILINE)
    last = datetime.strptime(runs[-1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    if now - last > timedelta(days=2):
        found.add("the last run is old")
    published = {}
    for entry in re.split(r"\n(?=\S+ \()", host.text("apt-changelogs.txt")):
        package = entry.split(" ", 1)[0]
        published[package] = parsedate_to_datetime(entry.strip().rpartition(">  ")[2])
    upgradable = host.text("apt-upgradable.txt").splitlines()
    assert upgradable[0] == "Listing..."
    for line in upgradable[1:]:
        parsed = re.fullmatch(r"(\S+)/(\S+) \S+ amd64 \[upgradable from: \S+\]", line)
        assert parsed is not None
        if parsed[2].endswith("-security") and now - published[parsed[1]] > timedelta(days=7):
            found.add(f"{parsed[1]} is pending")
    return found


def fingerprints(host: Host) -> list[str]:
    """The fingerprint of each key that is let in, as ssh-keygen computes it where there is one."""
    blobs = re.findall(
        r"(?:^| )(?:sk-)?ssh-ed25519(?:@openssh\.com)? (\S+)", host.text("authorized_keys.txt"), re.MULTILINE
    )
    return [
        f"SHA256:{base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip('=')}"
        for blob in blobs
    ]


@pytest.fixture
def host_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Host]:
    """The recordings of a deployment with the named sabotages, written by the part itself; no server is needed for that."""

    def write(*names: str) -> Host:
        platform = Platform(Settings(folder=tmp_path))
        monkeypatch.setattr(platform, "replace", monkeypatch.setattr)
        sabotages.apply(platform, names)
        part = HostPart(platform)
        part.build()
        facts = part.facts()["host_facts"]
        return Host(Path(facts["folder"]), facts)

    return write


def test_the_host_is_as_promised(host_of: Callable[..., Host]) -> None:
    assert violations(host_of(), datetime.now(UTC)) == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data_directory_on_plain_device", {"postgres-data.txt is not on an encrypted device"}),
        ("wal_on_plain_device", {"postgres-wal.txt is not on an encrypted device"}),
        (
            "only_root_disk_encrypted",
            {f"postgres-{what}.txt is not on an encrypted device" for what in ("data", "wal", "temp")},
        ),
        ("host_region_elsewhere", {"not in Germany"}),
        ("host_other_provider", {"not in Germany", "not of Hetzner"}),
        ("host_facts_too_old", {"provider-metadata.yaml is old", "dmidecode.txt is old"}),
        ("unattended_upgrades_off", {"upgrades are off", "the last run is old"}),
        ("unattended_upgrades_stale", {"the last run is old"}),
        ("security_update_pending_too_long", {"openssh-server is pending"}),
        ("engineer_key_authorized", {"an undeclared key is let in"}),
        ("engineer_account_on_host", {"a personal account"}),
        ("ssh_root_login_permitted", {"root may log in"}),
        ("ssh_password_login_permitted", {"passwords are let in"}),
        ("service_runs_as_root", {"rivet-worker runs as {'root'}"}),
    ],
)
def test_sabotage(host_of: Callable[..., Host], name: str, expected: set[str]) -> None:
    assert violations(host_of(name), datetime.now(UTC)) == expected


def test_every_file_is_in_the_manifest_and_labelled_as_a_sample(host_of: Callable[..., Host]) -> None:
    host = host_of()
    assert host.manifest["label"] == LABEL == "sample"
    assert {path.name for path in host.folder.iterdir()} == {"facts.yaml", *host.manifest["files"]}
    for entry in host.manifest["files"].values():
        assert set(entry) == {"tool", "command", "collected_at"}


def test_a_deployment_carries_the_recordings(deployment: Any) -> None:
    facts = deployment.facts["host_facts"]
    assert violations(Host(Path(facts["folder"]), facts), datetime.now(UTC)) == set()
    assert stat.S_IMODE(Path(facts["folder"]).stat().st_mode) == 0o700


def test_block_devices_and_mounts_agree(host_of: Callable[..., Host]) -> None:
    host = host_of()
    mounted = {t: chain[-1]["path"] for chain in host.devices() for t in chain[-1]["mountpoints"] if t}
    assert mounted.pop("[SWAP]") == "/dev/mapper/system-swap"
    assert host.mounts() == mounted
    numbers = [chain[-1]["maj:min"] for chain in host.devices()]
    assert len(set(numbers)) == len(numbers)
    assert all(chain[-1]["pkname"] == (chain[-2]["kname"] if chain[1:] else None) for chain in host.devices())


@pytest.mark.skipif(shutil.which("lsblk") is None, reason="this machine has no lsblk to compare with")
def test_the_format_is_that_of_lsblk(host_of: Callable[..., Host]) -> None:
    command = ["lsblk", "--json", "--output", ",".join(storage.COLUMNS)]
    real = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["blockdevices"]
    keys = [column.lower() for column in storage.COLUMNS]
    for [*_, device] in host_of().devices():
        assert [key for key in device if key != "children"] == keys
    assert [key for key in real[0] if key != "children"] == keys
    assert real[0]["mountpoints"] == [None] or all(real[0]["mountpoints"])


@pytest.mark.skipif(shutil.which("findmnt") is None, reason="this machine has no findmnt to compare with")
def test_the_format_is_that_of_findmnt(host_of: Callable[..., Host]) -> None:
    real = json.loads(subprocess.run(["findmnt", "--json", "--real"], capture_output=True, check=True).stdout)
    [ours] = json.loads(host_of().text("findmnt.json"))["filesystems"]
    assert set(real["filesystems"][0]) - {"children"} == set(ours) - {"children"}


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="this machine has no apt-config to compare with")
def test_the_format_is_that_of_apt_config(host_of: Callable[..., Host]) -> None:
    line = re.compile(r'[\w:.-]+ ".*";')
    real = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert all(line.fullmatch(one) for one in real)
    assert all(line.fullmatch(one) for one in host_of().text("apt-config.txt").splitlines())


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="this machine has no ssh-keygen to ask")
def test_the_keys_are_keys_to_ssh_keygen(host_of: Callable[..., Host], tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("".join(f"{key.line}\n" for key in access.DECLARED_KEYS))
    printed = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in printed.splitlines()] == [key.fingerprint for key in access.DECLARED_KEYS]
    assert sorted(fingerprints(host_of())) == sorted(key.fingerprint for key in access.DECLARED_KEYS)
