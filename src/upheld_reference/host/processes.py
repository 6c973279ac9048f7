"""What runs on the host, and under which account."""

from __future__ import annotations

from collections.abc import Mapping

from upheld_reference.host.access import SERVICES
from upheld_reference.host.recording import Recording

_OF_THE_SYSTEM = (
    *(("root", name) for name in ("systemd", "kthreadd", "kworker/0:1-eve", "ksoftirqd/0", "dmcrypt_write/2")),
    *(("root", name) for name in ("systemd-journal", "systemd-udevd", "cron", "sshd", "agetty", "unattended-upgr")),
    ("systemd-network", "systemd-network"),
    ("systemd-timesync", "systemd-timesyn"),
    ("messagebus", "dbus-daemon"),
)


def service_processes() -> tuple[tuple[str, str], ...]:
    """Account and command of each process of the platform."""
    return (*((f"rivet-{name}", f"rivet-{name}") for name in SERVICES), *(("postgres", "postgres"),) * 6)


def recordings() -> Mapping[str, Recording]:
    """Every process with its account."""
    lines = [
        f"{user:<20} {command}\n" for user, command in (("USER", "COMMAND"), *_OF_THE_SYSTEM, *service_processes())
    ]
    return {"ps.txt": Recording("procps-ng 4.0.2", "ps -eo user:20,comm", "".join(lines))}
