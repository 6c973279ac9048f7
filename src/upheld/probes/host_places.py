"""Whose a host is and where it stands: what the provider's metadata service and the machine's firmware say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from upheld.errors import Unobservable
from upheld.probes import foreign_yaml

_ZONES: tuple[tuple[str, str, str, str], ...] = (
    ("Hetzner", r"(?:fsn|nbg)\d+(-dc\d+)?", "Falkenstein or Nuremberg", "DE"),
    ("Hetzner", r"hel\d+(-dc\d+)?", "Helsinki", "FI"),
    ("Hetzner", r"(?:ash|hil)(-dc\d+)?", "Ashburn or Hillsboro", "US"),
    ("Hetzner", r"sin(-dc\d+)?", "Singapore", "SG"),
    ("DigitalOcean", r"fra\d+", "Frankfurt", "DE"),
    ("DigitalOcean", r"ams\d+", "Amsterdam", "NL"),
    ("DigitalOcean", r"lon\d+", "London", "GB"),
    ("DigitalOcean", r"(?:nyc|sfo|atl|ric)\d+", "the United States", "US"),
    ("DigitalOcean", r"sgp\d+", "Singapore", "SG"),
    ("DigitalOcean", r"blr\d+", "Bangalore", "IN"),
    ("DigitalOcean", r"tor\d+", "Toronto", "CA"),
    ("DigitalOcean", r"syd\d+", "Sydney", "AU"),
    ("Amazon", r"eu-central-1[a-z]?", "Frankfurt", "DE"),
    ("Amazon", r"eu-central-2[a-z]?", "Zurich", "CH"),
    ("Amazon", r"eu-west-1[a-z]?", "Ireland", "IE"),
    ("Amazon", r"eu-west-2[a-z]?", "London", "GB"),
    ("Amazon", r"eu-west-3[a-z]?", "Paris", "FR"),
    ("Amazon", r"eu-north-1[a-z]?", "Stockholm", "SE"),
    ("Amazon", r"eu-south-1[a-z]?", "Milan", "IT"),
    ("Amazon", r"eu-south-2[a-z]?", "Spain", "ES"),
    ("Amazon", r"af-south-1[a-z]?", "Cape Town", "ZA"),
    ("Amazon", r"us-(?:east|west)-\d[a-z]?", "the United States", "US"),
    ("Google", r"europe-west(?:3|10)(-[a-z])?", "Frankfurt or Berlin", "DE"),
    ("Google", r"europe-west1(-[a-z])?", "Belgium", "BE"),
    ("Google", r"europe-west2(-[a-z])?", "London", "GB"),
    ("Google", r"europe-west4(-[a-z])?", "the Netherlands", "NL"),
    ("Google", r"us-(?:central|east|west)\d+(-[a-z])?", "the United States", "US"),
    ("Microsoft", r"germany(?:westcentral|north)", "Germany", "DE"),
    ("Microsoft", r"westeurope", "the Netherlands", "NL"),
    ("Microsoft", r"northeurope", "Ireland", "IE"),
    ("Microsoft", r"southafrica(?:north|west)", "South Africa", "ZA"),
)
"""Zones and regions that lie in one country: provider, pattern of the name, place, ISO 3166 code. Regions that span countries are not here."""
_KEYS = ("availability-zone", "availability_zone", "availabilityzone", "zone", "location", "region")
"""The last parts of the names under which metadata services tell the place, the most exact first."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the machine's firmware says of its maker."""

    manufacturer: str
    product: str
    collected_at: datetime


@dataclass(frozen=True, slots=True)
class Location:
    """Where the provider's metadata service says that the host stands: the zone's name, and what is known of that name.

    `country` is an ISO 3166 code, empty for a zone that is not known to lie in one country.
    """

    key: str
    zone: str
    providers: tuple[str, ...]
    place: str
    country: str
    collected_at: datetime


def firmware_in(text: str, collected_at: datetime) -> Firmware:
    """The maker that `dmidecode --type system` printed; raises Unobservable when it names none."""
    values = dict(re.findall(r"^\s+(Manufacturer|Product Name): (.+?)\s*$", text, re.MULTILINE))
    maker = values.get("Manufacturer", "")
    if not maker or maker.lower() in {"not specified", "to be filled by o.e.m.", "system manufacturer"}:
        raise Unobservable("the firmware names no manufacturer")
    return Firmware(maker, values.get("Product Name", ""), collected_at)


def location_in(text: str, zones: dict[str, str], collected_at: datetime) -> Location:
    """Where a metadata service's answer (YAML or JSON) says that the host is; raises Unobservable when it names no place.

    `zones` says of further zones or regions in which country they lie, by name.
    """
    data = foreign_yaml.load(text, "the provider's metadata")
    if not isinstance(data, dict) or not data:
        raise Unobservable("the provider's metadata names nothing")
    told = dict(_leaves(data))
    for wanted in _KEYS:
        for key, value in told.items():
            if key.rpartition("/")[2].lower() == wanted and value:
                return _located(key, value.rpartition("/")[2], zones, collected_at)
    raise Unobservable("the provider's metadata names no zone and no region")


def _located(key: str, zone: str, zones: dict[str, str], collected_at: datetime) -> Location:
    known = [one for one in _ZONES if re.fullmatch(one[1], zone.lower())]
    providers = tuple(dict.fromkeys(one[0] for one in known))
    country = zones.get(zone) or (known[0][3] if len({one[3] for one in known}) == 1 else "")
    return Location(key, zone, providers, known[0][2] if known else "", country, collected_at)


def _leaves(data: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text in `data` with its path."""
    if isinstance(data, dict) and depth < 10:
        for key, value in data.items():
            yield from _leaves(value, f"{path}/{key}" if path else str(key), depth + 1)
    elif isinstance(data, str):
        yield path, data
