"""What apt and unattended-upgrades print: settings, runs, and updates that wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime

from upheld.errors import Unobservable

_LOG_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ([A-Z]+) (.*)$")
_SETTING = re.compile(r'^([\w./:+-]+) "(.*)";$')
_UPGRADABLE = re.compile(r"^(\S+?)/(\S+) (\S+) \S+ \[upgradable from: (\S+)\]$")
_CHANGE = re.compile(r"^(\S+) \((\S+)\) .+; urgency=", re.MULTILINE)
_SIGNED = re.compile(r"^ -- .+ <.*>  (.+)$", re.MULTILINE)
_ENDED = ("All upgrades installed", "No packages found that can be upgraded")


@dataclass(frozen=True, slots=True)
class UpgradeSettings:
    """How often, in days, package lists are renewed and upgrades are installed (0: never), and from which origins.

    `security_origin` is whether one of the origins is that of security updates.
    """

    list_days: int
    upgrade_days: int
    origins: tuple[str, ...]
    security_origin: bool
    collected_at: datetime


@dataclass(frozen=True, slots=True)
class UpgradeRuns:
    """The runs that the log shows: how many, how many ended well, and when the last of each began."""

    runs: int
    completed: int
    last: datetime
    last_completed: datetime | None
    last_error: str
    collected_at: datetime


@dataclass(frozen=True, slots=True)
class PendingUpdate:
    """An update that is not installed yet. `published` is when its changelog was signed, None when no changelog tells."""

    package: str
    version: str
    installed: str
    suite: str
    security: bool
    published: datetime | None

    def __str__(self) -> str:
        """`package version`."""
        return f"{self.package} {self.version}"


@dataclass(frozen=True, slots=True)
class Pending:
    """All updates that are not installed yet."""

    updates: tuple[PendingUpdate, ...]
    collected_at: datetime


def settings_in(text: str, collected_at: datetime) -> UpgradeSettings:
    """What `apt-config dump` says of unattended upgrades; raises Unobservable when it says nothing of them."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := _SETTING.match(line.strip()):
            values.setdefault(found[1].rstrip(":").lower(), []).append(found[2])
    if not any(name.startswith("apt::") for name in values):
        raise Unobservable("the settings of apt are not there: no line of APT:: in what apt-config printed")
    origins = tuple(
        one
        for name in ("unattended-upgrade::origins-pattern", "unattended-upgrade::allowed-origins")
        for one in values.get(name, [])
        if one
    )
    return UpgradeSettings(
        list_days=_days(values, "apt::periodic::update-package-lists"),
        upgrade_days=_days(values, "apt::periodic::unattended-upgrade")
        if _days(values, "apt::periodic::enable", 1)
        else 0,
        origins=origins,
        security_origin=any("security" in one.lower() for one in origins),
        collected_at=collected_at,
    )


def runs_in(text: str, zone: tzinfo, collected_at: datetime) -> UpgradeRuns:
    """The runs in the log of unattended-upgrades, which writes the host's own time; raises Unobservable when it shows none."""
    begun: list[datetime] = []
    completed: list[datetime] = []
    error = ""
    for line in text.splitlines():
        found = _LOG_LINE.match(line)
        if found is None:
            continue
        said = found[4]
        if said.startswith("Starting unattended upgrades script"):
            begun.append(_moment(found[1], zone))
            error = ""
        elif found[3] in {"ERROR", "CRITICAL"}:
            error = said[:200]
        elif begun and said.startswith(_ENDED) and not error:
            completed.append(begun[-1])
    if not begun:
        raise Unobservable("the log of unattended-upgrades shows no run")
    ended = sorted(set(completed))
    return UpgradeRuns(len(begun), len(ended), max(begun), ended[-1] if ended else None, error, collected_at)


def pending_in(listing: str, changelogs: str, collected_at: datetime) -> Pending:
    """The updates that `apt list --upgradable` printed, each with the date of its changelog; raises Unobservable for other text."""
    lines = [line.strip() for line in listing.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("Listing..."):
        raise Unobservable("the list of updates has no heading, so it is not what apt prints")
    published = _published(changelogs)
    found = []
    for line in lines[1:]:
        parsed = _UPGRADABLE.match(line)
        if parsed is None:
            if line.startswith("N: "):
                continue
            raise Unobservable(f"the list of updates has a line that is none: {line[:80]!r}")
        package, suites, version, installed = parsed.groups()
        security = any(re.search(r"(^|[-/])security$", suite) for suite in suites.split(","))
        found.append(PendingUpdate(package, version, installed, suites, security, published.get((package, version))))
    return Pending(tuple(found), collected_at)


def _days(values: dict[str, list[str]], name: str, otherwise: int = 0) -> int:
    """An interval in days, as apt.systemd.daily reads it: a number, or one with a unit; the last setting counts."""
    text = (values.get(name) or [str(otherwise)])[-1].strip().lower()
    if text in {"", "false", "no"}:
        return 0
    if text == "always":
        return 1
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    if found is None:
        raise Unobservable(f"{name} is {text!r}, which is no interval")
    number = int(found[1])
    return number if found[2] in {"", "d"} else min(number, 1)


def _moment(text: str, zone: tzinfo) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    except ValueError:
        raise Unobservable(f"the log of unattended-upgrades has an impossible time: {text}") from None


def _published(changelogs: str) -> dict[tuple[str, str], datetime]:
    """When each version was published, from the heads of changelogs in Debian's format."""
    found: dict[tuple[str, str], datetime] = {}
    heads = list(_CHANGE.finditer(changelogs))
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(changelogs)
        if signed := _SIGNED.search(changelogs, head.end(), end):
            try:
                at = parsedate_to_datetime(signed[1].strip())
            except (ValueError, TypeError):
                continue
            found[head[1], head[2]] = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    return found
