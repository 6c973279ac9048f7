"""How the operating system is patched: unattended-upgrades' log and settings, and the updates that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

from upheld_reference.host.recording import Recording

LOG_DAYS = 60
"""How many days the log goes back."""
_VERSION = "unattended-upgrades 2.9.1+nmu3"
_ORIGINS = (
    "origin=Debian,codename=bookworm,label=Debian, origin=Debian,codename=bookworm,label=Debian-Security, "
    "origin=Debian,codename=bookworm-security,label=Debian-Security"
)
_UPGRADED = {
    52: "libcurl4 curl",
    44: "linux-image-amd64",
    37: "libexpat1",
    29: "libssl3 openssl",
    21: "libc6 libc-bin",
    16: "postgresql-18 postgresql-client-18",
    9: "sudo",
    4: "libxml2",
}
"""What was upgraded how many days ago."""


@dataclass(frozen=True)
class Pending:
    """An update that is not installed yet."""

    package: str
    suite: str
    version: str
    installed: str
    published_hours_ago: float


SECURITY = Pending("openssl", "oldstable-security", "3.0.22-1~deb12u2", "3.0.22-1~deb12u1", 7.0)
"""Published since the last run; the next one installs it."""
ORDINARY = Pending("base-files", "oldstable", "12.4+deb12u15", "12.4+deb12u14", 300.0)
"""No security update: it waits for the next maintenance window."""


def recordings(now: datetime) -> Mapping[str, Recording]:
    """Log, settings, waiting updates, and the changelogs that date those."""
    command = "apt-config dump | grep -E '^(APT::Periodic|Unattended-Upgrade)(::| )'"
    waiting = pending()
    changelogs = "\n".join(_changelog(update, now) for update in waiting)
    return {
        "unattended-upgrades.log": Recording(
            _VERSION, "cat /var/log/unattended-upgrades/unattended-upgrades.log", "".join(log(now))
        ),
        "apt-config.txt": Recording("apt 2.6.1", command, settings()),
        "apt-upgradable.txt": Recording("apt 2.6.1", "apt list --upgradable", _listing(waiting)),
        "apt-changelogs.txt": Recording(
            *(
                "apt 2.6.1",
                "for p in $(apt list --upgradable | cut -s -d/ -f1); do apt-get changelog -q $p | head -n 5; done",
            ),
            changelogs,
        ),
    }


def pending() -> tuple[Pending, ...]:
    """The updates that wait."""
    return (SECURITY, ORDINARY)


def settings() -> str:
    """The settings of apt for automatic upgrades, as apt-config prints them."""
    return periodic("1")


def periodic(unattended: str) -> str:
    """The settings with ``unattended`` as the interval of unattended upgrades in days; 0 turns them off."""
    patterns = "".join(f'Unattended-Upgrade::Origins-Pattern:: "{one}";\n' for one in _ORIGINS.split(", "))
    return (
        f'APT::Periodic "";\nAPT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "{unattended}";\n'
        f'Unattended-Upgrade "";\nUnattended-Upgrade::Origins-Pattern "";\n{patterns}'
        'Unattended-Upgrade::Automatic-Reboot "true";\nUnattended-Upgrade::Automatic-Reboot-Time "03:30";\n'
    )


def log(now: datetime, newest_days_ago: int = 0) -> Iterator[str]:
    """The runs of each day, the oldest first, until ``newest_days_ago``."""
    for age in range(LOG_DAYS, newest_days_ago - 1, -1):
        yield from run(now - timedelta(days=age), _UPGRADED.get(age))


def run(day: datetime, upgraded: str | None = None, held_back: str | None = None) -> Iterator[str]:
    """The lines of one run, eight hours before the time of ``day``, which upgrades or holds back the named packages."""
    at = day - timedelta(hours=8)
    yield _line(at, 0, "INFO Starting unattended upgrades script")
    yield _line(at, 1, f"INFO Allowed origins are: {_ORIGINS}")
    yield _line(at, 1, "INFO Initial blacklist: ")
    yield _line(at, 1, "INFO Initial whitelist (not strict): ")
    if held_back is not None:
        yield _line(at, 8100, f"WARNING Package {held_back} has conffile prompt and needs to be upgraded manually")
        yield _line(at, 9300, f"INFO package {held_back} not upgraded")
    if upgraded is None:
        yield _line(at, 9800, "INFO No packages found that can be upgraded unattended and no pending auto-removals")
        return
    yield _line(at, 9800, f"INFO Packages that will be upgraded: {upgraded}")
    yield _line(at, 9801, "INFO Writing dpkg log to /var/log/unattended-upgrades/unattended-upgrades-dpkg.log")
    yield _line(at, 31400, "INFO All upgrades installed")


def _line(at: datetime, milliseconds: int, text: str) -> str:
    moment = at + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03} {text}\n"


def _listing(waiting: tuple[Pending, ...]) -> str:
    lines = [
        f"{one.package}/{one.suite} {one.version} amd64 [upgradable from: {one.installed}]\n"
        for one in sorted(waiting, key=lambda update: update.package)
    ]
    return "".join(["Listing...\n", *lines])


def _changelog(update: Pending, now: datetime) -> str:
    suite = "bookworm-security" if update.suite.endswith("-security") else "bookworm"
    published = format_datetime(now - timedelta(hours=update.published_hours_ago))
    return (
        f"{update.package} ({update.version}) {suite}; urgency=medium\n\n  * Fixes of this release.\n\n"
        f" -- Package maintainers <maintainers@packages.example.com>  {published}\n"
    )
