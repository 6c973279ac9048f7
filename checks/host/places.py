"""The host's place: whose it is, where it stands, what its database's disks are like, and how fresh the facts are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from upheld import INSPECTED, Finding, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.host import Host


@check(basis=INSPECTED)
def stands_where_promised(
    host: Host, clock: Clock, *, provider: str, country: str, zones: dict[str, str] | None = None
) -> Iterator[Finding | NotObserved]:
    """The host is a machine of `provider` and stands in `country` (an ISO 3166 code).

    Decides: whose machine it is and in which country.

    How: reads the maker from the machine's firmware, and the availability zone (where there is none, the region) from the
    answer of the provider's metadata service. Which zones lie in which country is known for the large providers; `zones`
    adds others. A zone that is not known, or a region that spans countries, shows nothing.

    Refuted by: a maker who is not the provider, and a zone in another country or of another provider.

    Cannot see: whether provider and firmware tell the truth, and other hosts that the target does not describe.

    References: ISO/IEC 27001:2022 A.5.23; GDPR Art. 44.
    """
    now = clock.now()
    expected = f"a machine of {provider}"
    try:
        firmware = host.firmware()
    except Unobservable as unobservable:
        yield NotObserved("maker of the machine", unobservable.reason, expected)
    else:
        observed = f"the firmware names {firmware.manufacturer} ({firmware.product}){age(firmware.collected_at, now)}"
        same = provider.casefold() in firmware.manufacturer.casefold()
        yield Finding("maker of the machine", same, expected, observed)
    try:
        found = host.location(zones or {})
    except Unobservable as unobservable:
        yield NotObserved("place of the machine", unobservable.reason, f"a zone of {provider} in {country}")
        return
    said = f"{found.key} is {found.zone}"
    if found.providers:
        theirs = any(name.casefold() == provider.casefold() for name in found.providers)
        observed = f"{said}, a zone of {', '.join(found.providers)}{age(found.collected_at, now)}"
        yield Finding("provider by its metadata", theirs, expected, observed)
    if found.country:
        observed = f"{said}: {found.place or 'declared'}, {found.country}{age(found.collected_at, now)}"
        right = found.country.casefold() == country.casefold()
        yield Finding("place of the machine", right, f"a zone in {country}", observed)
    else:
        reason = f"{said}, and that is not known to lie in one country"
        yield NotObserved("place of the machine", reason, f"a zone in {country}")


@check(basis=INSPECTED)
def facts_are_fresh(host: Host, clock: Clock, *, facts: tuple[str, ...] = ()) -> Iterator[Finding | NotObserved]:
    """What is known of the host was collected lately.

    Decides: whether the facts about the host are young enough to speak of the present. `facts` names the kinds that are meant; all
    that can be had of the host otherwise.

    How: compares when each was collected, as the manifest of the recorded facts says, with the auditor's clock and with what the
    target allows (`host.maximum_age_hours`). Facts that are asked for through a connection are of now.

    Refuted by: a fact that is older than allowed, or dated in the future.

    Cannot see: whether the manifest tells the truth, and what changed since.

    References: ISO/IEC 27001:2022 A.8.9; NIST SP 800-53 Rev. 5 CM-8.
    """
    now = clock.now()
    for kind in facts or host.facts():
        try:
            found = host.collected(kind)
        except Unobservable as unobservable:
            yield NotObserved(kind, unobservable.reason)
            continue
        hours = (now - found.collected_at).total_seconds() / 3600
        expected = f"collected within the last {found.maximum_age_hours / 24:g} days"
        observed = f"collected {hours / 24:.0f} days ago" if hours >= 48 else f"collected {hours:.0f} hours ago"
        if hours < -0.25:
            observed = f"dated {-hours:.1f} hours in the future"
        yield Finding(found, -0.25 <= hours <= found.maximum_age_hours, expected, observed, seen=(found,))


@check(basis=INSPECTED)
def database_lies_on_encrypted_devices(
    host: Host,
    clock: Clock,
    *,
    places: tuple[str, ...] = ("data directory", "write-ahead log", "temporary space"),
) -> Iterator[Finding | NotObserved]:
    """The database's data directory, write-ahead log and temporary space lie on devices that the host encrypts.

    Decides: whether what the database writes to disk is encrypted at the level of the volume.

    How: finds the mount that each path lies in (the innermost one, as a file system may be mounted inside another), the device
    behind that mount, and follows the block devices down to the disks. Each disk must be below a layer of dm-crypt, also when a volume
    spans several.

    Refuted by: a place of which a disk has no layer that encrypts.

    Cannot see: encryption beneath the host (by the provider's storage) and inside ZFS; where the key is kept; snapshots of the disks.

    References: NIST SP 800-111; ISO/IEC 27001:2022 A.8.24.
    """
    now = clock.now()
    expected = "every disk under it is below a layer that encrypts"
    for what in places:
        try:
            place = host.database_place(what)
        except Unobservable as unobservable:
            yield NotObserved(what, unobservable.reason, expected)
            continue
        layers = "; ".join(" > ".join(chain) for chain in place.chains)
        if place.encrypted:
            observed = f"mounted at {place.mount} from {layers}"
        else:
            observed = f"mounted at {place.mount}, and not encrypted on {', '.join(place.plain)}: {layers}"
        yield Finding(place, place.encrypted, expected, f"{observed}{age(place.collected_at, now)}", seen=(place,))


def age(collected_at: datetime, now: datetime) -> str:
    """How old a fact is, to stand behind what it shows; nothing for one of this hour."""
    hours = (now - collected_at).total_seconds() / 3600
    return f" (collected {hours:.0f} h ago)" if hours >= 1 else ""
