"""The host that the deployment runs on: its disks, who may get in, what runs, how it is patched, whose it is and where.

Facts come from files that were recorded on the host, or from commands that run there now; every value says when its
fact was collected. A fact that is missing, unreadable or older than the target allows is Unobservable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, ClassVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from upheld.errors import Unobservable
from upheld.probes import host_access, host_disks, host_patches, host_places
from upheld.probes.base import Probe, look
from upheld.probes.host_access import Account, AuthorizedKey, Process
from upheld.probes.host_disks import DatabasePlace
from upheld.probes.host_patches import Pending, UpgradeRuns, UpgradeSettings
from upheld.probes.host_places import Firmware, Location
from upheld.probes.host_sources import Fact, Live, Recorded
from upheld.probes.sending import COMMAND, Sending, Sends
from upheld.target.manners import MACHINE

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.host import FactKind
    from upheld.target.host import Host as Description

AHEAD = timedelta(minutes=10)
"""How far a fact's date may lie in the future: clocks differ."""


@dataclass(frozen=True, slots=True)
class Collected:
    """When a kind of fact was collected, from where, and how old it may be."""

    kind: str
    source: str
    collected_at: datetime
    maximum_age_hours: float

    def __str__(self) -> str:
        """`kind (source)`."""
        return f"{self.kind} ({self.source})"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of the host, and which of them the target declares."""

    accounts: tuple[Account, ...]
    service_accounts: tuple[str, ...]
    break_glass_accounts: tuple[str, ...]
    collected_at: datetime


@dataclass(frozen=True, slots=True)
class AuthorizedKeys:
    """The keys that are let in, their files, and by account the fingerprints that the target declares."""

    keys: tuple[AuthorizedKey, ...]
    files: tuple[str, ...]
    declared: tuple[tuple[str, tuple[str, ...]], ...]
    collected_at: datetime


@dataclass(frozen=True, slots=True)
class SshdSettings:
    """The settings in force of the SSH server, in the order in which it printed them; a keyword may be there several times."""

    settings: tuple[tuple[str, str], ...]
    collected_at: datetime

    def of(self, keyword: str) -> tuple[str, ...]:
        """All values of a keyword; none when it was not printed."""
        return tuple(value for name, value in self.settings if name == keyword)


@dataclass(frozen=True, slots=True)
class Processes:
    """What runs on the host, and which commands the target declares as its services."""

    processes: tuple[Process, ...]
    services: tuple[str, ...]
    collected_at: datetime


class Host(Probe):
    """The host that the target describes."""

    name = "host"
    detached = True
    needs = ("host",)
    sends: ClassVar[Sending] = dict.fromkeys(
        (
            *("accounts", "authorized_keys", "collected", "database_place", "facts", "firmware", "location"),
            *("pending_updates", "processes", "sshd", "upgrade_runs", "upgrade_settings"),
        ),
        (Sends(COMMAND, "commands that print facts, through {host.connection}", "the account of the connection", 12),),
    )

    def __init__(self, session: Session) -> None:
        """Reads nothing and connects to nothing yet."""
        super().__init__(session)
        self._source: Recorded | Live | None = None

    @look
    def facts(self) -> tuple[str, ...]:
        """The kinds of fact that can be had of this host."""
        return tuple(self._facts.kinds())

    @look
    def collected(self, kind: str) -> Collected:
        """When the fact of that kind was collected, however old it is; Unobservable when there is no fact behind the date."""
        fact = self._facts.fact(cast("FactKind", kind))
        if not fact.text.strip():
            raise Unobservable(f"{fact.source} is empty, so that its date says nothing")
        return Collected(kind, fact.source, fact.collected_at, self.description.maximum_age_hours)

    @look
    def database_place(self, what: str) -> DatabasePlace:
        """On which devices the database's "data directory", "write-ahead log" or "temporary space" lies."""
        path, devices, mounts = self._fact(cast("FactKind", what)), self._fact("block devices"), self._fact("mounts")
        lines = [line.strip() for line in path.text.splitlines() if line.strip()]
        if len(lines) != 1:
            raise Unobservable(f"{path.source} names {len(lines)} places for the database's {what}, not one")
        oldest = min(path.collected_at, devices.collected_at, mounts.collected_at)
        # A query over tablespaces gives name and place, parted by a bar.
        place = lines[0].rpartition("|")[2]
        return host_disks.place_of(what, place, devices.text, mounts.text, oldest)

    @look
    def accounts(self) -> Accounts:
        """The account database."""
        fact, described = self._fact("accounts"), self.description
        found = host_access.accounts_in(fact.text)
        return Accounts(found, described.service_accounts, described.break_glass_accounts, fact.collected_at)

    @look
    def authorized_keys(self) -> AuthorizedKeys:
        """The SSH keys that are let in."""
        fact = self._fact("authorized keys")
        keys = host_access.keys_in(fact.text, host_access.accounts_in(self._fact("accounts").text))
        declared = tuple(self.description.authorized_fingerprints.items())
        return AuthorizedKeys(keys, host_access.files_of_keys(fact.text), declared, fact.collected_at)

    @look
    def sshd(self) -> SshdSettings:
        """The settings of the SSH server."""
        fact = self._fact("sshd settings")
        return SshdSettings(host_access.settings_in(fact.text), fact.collected_at)

    @look
    def processes(self) -> Processes:
        """What runs."""
        fact = self._fact("processes")
        return Processes(host_access.processes_in(fact.text), self.description.services, fact.collected_at)

    @look
    def upgrade_settings(self) -> UpgradeSettings:
        """Whether upgrades are installed unattended, and from where."""
        fact = self._fact("upgrade settings")
        return host_patches.settings_in(fact.text, fact.collected_at)

    @look
    def upgrade_runs(self) -> UpgradeRuns:
        """When upgrades were installed unattended."""
        fact = self._fact("upgrade log")
        return host_patches.runs_in(fact.text, self._zone(), fact.collected_at)

    @look
    def pending_updates(self) -> Pending:
        """The updates that are not installed yet. Without changelogs none is dated."""
        fact = self._fact("pending updates")
        try:
            changelogs = self._fact("changelogs").text
        except Unobservable:  # An update without a date is not taken for a young one: the check says that it saw none.
            changelogs = ""
        return host_patches.pending_in(fact.text, changelogs, fact.collected_at)

    @look
    def firmware(self) -> Firmware:
        """Who made the machine, by its firmware."""
        fact = self._fact("firmware")
        return host_places.firmware_in(fact.text, fact.collected_at)

    @look
    def location(self, zones: dict[str, str]) -> Location:
        """Where the provider says that the host is; `zones` gives the country of zones that are not known here."""
        fact = self._fact("provider metadata")
        return host_places.location_in(fact.text, zones, fact.collected_at)

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """The target's description of the host; raises Unobservable when there is none."""
        if self.target.host is None:
            raise Unobservable("the target describes no host")
        return self.target.host

    @property
    def _facts(self) -> Recorded | Live:
        if self._source is None:
            described = self.description
            if described.recorded is not None:
                self._source = Recorded(described.recorded, self.session.target_folder)
            else:
                self._source = Live(
                    described, self.session.scope, self.target.check_seconds, lambda: self.session.pace(MACHINE)
                )
        return self._source

    def _fact(self, kind: FactKind) -> Fact:
        """The fact of that kind, if it is no older than the target allows."""
        source, at = self._facts.collected(kind)
        now, limit = datetime.now(UTC), self.description.maximum_age_hours
        if at - now > AHEAD:
            raise Unobservable(f"{source} is dated in the future ({at.isoformat(timespec='seconds')})")
        if now - at > timedelta(hours=limit):
            days = (now - at).total_seconds() / 86400
            raise Unobservable(f"{source} was collected {days:.0f} days ago; the target allows {limit / 24:g} days")
        return self._facts.fact(kind)

    def _zone(self) -> tzinfo:
        try:
            return ZoneInfo(self.description.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise Unobservable(f"there is no time zone {self.description.time_zone!r} (host.time_zone)") from None
