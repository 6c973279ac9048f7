"""Hosts that are not as promised: by disk, place, patches, access or account."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from upheld_reference import people
from upheld_reference.host import access, patching, processes, provider, storage
from upheld_reference.host.recording import HOST, Recording
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_VOLUMES, _ENCRYPTED = "volume-encryption", ("sensitive-encrypted",)
_PLAIN_DISK = storage.Disk("sdc", "200G", "Volume", "102655107", "fast", (), encrypted=False)


def _moved_to_plain_disk(platform: Platform, moved: storage.Volume) -> None:
    """Puts a volume of the database's encrypted disk on another one that is not encrypted."""
    rest = tuple(volume for volume in storage.DATABASE_DISK.volumes if volume != moved)
    disks = (
        storage.SYSTEM_DISK,
        replace(storage.DATABASE_DISK, volumes=rest),
        replace(_PLAIN_DISK, volumes=(moved,)),
    )
    platform.replace(storage, "DISKS", disks)


@sabotage(
    breaks=(_VOLUMES,),
    also=_ENCRYPTED,
    shows=(
        "data directory",
        "not encrypted on /dev/sdc",
    ),
)
def data_directory_on_plain_device(platform: Platform) -> None:
    """The database's data directory lies on a disk without encryption; its write-ahead log lies on an encrypted one."""
    _moved_to_plain_disk(platform, storage.DATA)


@sabotage(
    breaks=(_VOLUMES,),
    also=_ENCRYPTED,
    shows=(
        "write-ahead log",
        "not encrypted on /dev/sdc",
    ),
)
def wal_on_plain_device(platform: Platform) -> None:
    """The database's write-ahead log lies on a disk without encryption, mounted inside the encrypted data volume."""
    _moved_to_plain_disk(platform, storage.WAL)


@sabotage(
    breaks=(_VOLUMES,),
    also=_ENCRYPTED,
    shows=(
        "temporary space",
        "not encrypted on /dev/sdb",
    ),
)
def only_root_disk_encrypted(platform: Platform) -> None:
    """Only the server's own disk is encrypted, and the volume attached for the database is not."""
    platform.replace(storage, "DISKS", (storage.SYSTEM_DISK, replace(storage.DATABASE_DISK, encrypted=False)))


@sabotage(breaks=("hosting-germany",), shows=("Helsinki, FI",))
def host_region_elsewhere(platform: Platform) -> None:
    """The server stands in Helsinki, in the same region of the provider as Falkenstein."""
    platform.replace(provider, "AVAILABILITY_ZONE", "hel1-dc2")


@sabotage(breaks=("hosting-germany",), shows=("DigitalOcean",))
def host_other_provider(platform: Platform) -> None:
    """The server is a virtual machine of another provider, in Frankfurt."""
    answer = {
        "droplet_id": int(provider.INSTANCE),
        "hostname": HOST,
        "vendor_data": "",
        "public_keys": [],
        "region": "fra1",
        "interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.24", "netmask": "255.255.255.0"}}]},
        "dns": {"nameservers": ["67.207.67.2", "67.207.67.3"]},
    }
    found = Recording("curl 7.88.1", "curl -sf http://169.254.169.254/metadata/v1.json", json.dumps(answer) + "\n")
    platform.replace(provider, "metadata", lambda: found)
    made_by = provider.dmi("DigitalOcean", "Droplet", "20171212", provider.INSTANCE, "DigitalOcean_Droplet")
    platform.replace(provider, "firmware", lambda: made_by)


@sabotage(breaks=("hosting-germany",), shows=("collected 400 days ago",))
def host_facts_too_old(platform: Platform) -> None:
    """What is known of the server's provider and place was collected 400 days ago."""
    for name in ("metadata", "firmware"):
        old = replace(getattr(provider, name)(), age_hours=400 * 24)
        platform.replace(provider, name, functools.partial(replace, old))


@sabotage(breaks=("auto-patching",), shows=("switched off",))
def unattended_upgrades_off(platform: Platform) -> None:
    """Unattended upgrades were switched off three days ago."""
    run_daily = patching.log
    platform.replace(patching, "settings", lambda: patching.periodic("0"))
    platform.replace(patching, "log", lambda now: run_daily(now, newest_days_ago=3))


@sabotage(breaks=("auto-patching",), shows=("the last 40",))
def unattended_upgrades_stale(platform: Platform) -> None:
    """Unattended upgrades are switched on, but ran last 40 days ago."""
    run_daily = patching.log
    platform.replace(patching, "log", lambda now: run_daily(now, newest_days_ago=40))


@sabotage(
    breaks=("auto-patching",),
    shows=(
        "openssh-server",
        "and pending",
    ),
)
def security_update_pending_too_long(platform: Platform) -> None:
    """A security update of the SSH server has been held back at every run since it was published 35 days ago."""
    days, package = 35, "openssh-server"
    held = patching.Pending(package, patching.SECURITY.suite, "1:9.2p1-2+deb12u11", "1:9.2p1-2+deb12u10", days * 24.0)
    before = patching.log

    def log(now: datetime) -> Iterator[str]:
        yield from before(now, newest_days_ago=days)
        for age in range(days - 1, -1, -1):
            yield from patching.run(now - timedelta(days=age), held_back=package)

    platform.replace(patching, "log", log)
    waiting = (*patching.pending(), held)
    platform.replace(patching, "pending", lambda: waiting)


@sabotage(breaks=("pipelines-reviewed",), shows=("lukas@rivetsoftware.dev (deploy): not declared",))
def engineer_key_authorized(platform: Platform) -> None:
    """An engineer's own key opens the deployment account on the production host, with no break-glass procedure."""
    keys = (*access.DECLARED_KEYS, access.Key(access.DEPLOY, people.by_login("lukas").email))
    platform.replace(access, "authorized_keys", lambda: keys)


@sabotage(breaks=("pipelines-reviewed",), shows=("lukas: undeclared",))
def engineer_account_on_host(platform: Platform) -> None:
    """An engineer has a personal account with a shell on the production host."""
    person = people.by_login("lukas")
    entry = f"{person.login}:x:1002:1002:{person.name},,,:/home/{person.login}:/bin/bash"
    lines = [*access.accounts(), entry]
    platform.replace(access, "accounts", lambda: lines)


@sabotage(breaks=("pipelines-reviewed",), shows=("permitrootlogin: yes",))
def ssh_root_login_permitted(platform: Platform) -> None:
    """The production host lets root log in over SSH."""
    printed = access.sshd_settings().replace("permitrootlogin no", "permitrootlogin yes")
    # The list of users that may log in would keep root out all the same, had he not been put on it.
    printed = printed.replace("allowusers deploy\n", "allowusers root\nallowusers deploy\n")
    platform.replace(access, "sshd_settings", lambda: printed)


@sabotage(breaks=("pipelines-reviewed",), shows=("passwordauthentication: yes",))
def ssh_password_login_permitted(platform: Platform) -> None:
    """The production host lets people log in over SSH with a password."""
    printed = access.sshd_settings().replace("passwordauthentication no", "passwordauthentication yes")
    printed = printed.replace("authenticationmethods publickey", "authenticationmethods any")
    platform.replace(access, "sshd_settings", lambda: printed)


@sabotage(breaks=("least-privilege",), shows=("rivet-worker",))
def service_runs_as_root(platform: Platform) -> None:
    """The worker, which delivers webhooks, runs as root on the production host."""
    found = tuple(
        ("root" if command == "rivet-worker" else user, command) for user, command in processes.service_processes()
    )
    platform.replace(processes, "service_processes", lambda: found)
