"""What a sentence states for a parameter of a check: read from its words, or not stated. Nothing is ever made up.

Units are converted only where nothing is lost: a month is the longest that it can be, since whoever keeps the words keeps that;
business days are never days.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from upheld.errors import Unobservable
from upheld.probes.countries import countries_in
from upheld.reading import Quantity, quantities


@dataclass(frozen=True)
class Said:
    """A sentence (or the cells of a row in one), the headings over it, and the name of its claim."""

    text: str
    context: str = ""
    claim: str = ""

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities in it."""
        return quantities(self.text)


@dataclass(frozen=True)
class Reader:
    """How a parameter is read, and what to ask where it is not stated."""

    read: Callable[[Said], object | None]
    asks: str


_HOURS = {"seconds": 1 / 3600, "minutes": 1 / 60, "hours": 1.0, "days": 24.0, "weeks": 168.0}
_MONTHS = {"months": 1, "quarters": 3, "years": 12}


def longest_days(months: int) -> int:
    """The days that so many months in a row have at most."""
    best = 0
    for year in range(2020, 2024):
        for month in range(1, 13):
            end = year * 12 + month - 1 + months
            start = date(year, month, 1)
            best = max(best, (date(end // 12, end % 12 + 1, 1) - start).days)
    return best


def _hours(one: Quantity) -> float | None:
    """The hours of a quantity of time; None for what is no time, or counts business days."""
    if one.unit in _HOURS:
        return one.number * _HOURS[one.unit]
    if one.unit in _MONTHS and float(one.number * _MONTHS[one.unit]).is_integer():
        return longest_days(int(one.number * _MONTHS[one.unit])) * 24.0
    return None


def _times(said: Said, *, every: bool) -> Iterator[float]:
    for one in said.quantities:
        if one.every is every and one.bound != "least" and (hours := _hours(one)) is not None:
            yield hours


def _whole(value: float) -> int | None:
    return round(value) if abs(value - round(value)) < 1e-9 and value > 0 else None


def _number(value: float) -> int | float:
    return round(value) if abs(value - round(value)) < 1e-9 else value


def _first(values: Iterator[float], divisor: float) -> int | None:
    return next((whole for one in values if (whole := _whole(one / divisor)) is not None), None)


def _days(said: Said) -> int | None:
    return _first(_times(said, every=False), 24)


def _role_change_days(said: Said) -> int | None:
    changes = re.search(r"(?i)\brole changes?|chang\w+ (?:of )?roles?\b", said.text)
    return _days(said) if changes else None


def _minutes(said: Said) -> int | None:
    return _first(_times(said, every=False), 1 / 60)


def _seconds(said: Said) -> int | None:
    age = re.search(r"(?i)max-age\s*=\s*(\d+)", said.text)
    return int(age[1]) if age else _first(_times(said, every=False), 1 / 3600)


def _hours_of(said: Said) -> int | float | None:
    return next((_number(one) for one in _times(said, every=False)), None)


def _interval_hours(said: Said) -> int | float | None:
    return next((_number(one) for one in _intervals(said)), None)


def _interval_days(said: Said) -> int | None:
    return _first(_intervals(said), 24)


def _intervals(said: Said) -> Iterator[float]:
    """Intervals at which something is done. At least once in one is no longer interval than that."""
    for one in said.quantities:
        if one.every and (hours := _hours(one)) is not None:
            yield hours


def _business_days(said: Said) -> int | None:
    found = next((one for one in said.quantities if one.unit == "business days" and one.bound != "least"), None)
    return _whole(found.number) if found else None


_NEXT = {1.0: 1.1, 1.1: 1.2, 1.2: 1.3}
_REFUSED = re.compile(
    r"(?i)\b(?:not|n't|never|no|refus\w+|reject\w+|disabl\w+|switched off|turned off|removed|dropped|block\w+|older than|below|"
    r"prior to|deprecated)\b"
)
_OLDER = re.compile(r"(?i)^\s*(?:,\s*)?(?:or|and) (?:older|lower|earlier|below|before)")


def _tls(said: Said) -> str | None:
    """The oldest version that is let in: the one that is named, or the next after those that are said to be refused."""
    found = [one for one in said.quantities if one.unit in {"TLS", "SSL"}]
    if not found:
        return None
    versions = [one.number for one in found if one.unit == "TLS" and one.number in {1.0, 1.1, 1.2, 1.3}]
    first, last = found[0], found[-1]
    before = said.text[: first.start]
    if re.search(r"(?i)\b(?:older than|below|prior to|before|earlier than|lower than)\s*$", before) and versions:
        return f"TLS {versions[0]}"
    if _OLDER.match(said.text[last.end :]) or (_REFUSED.search(said.text) and max(versions, default=0) < 1.2):
        after = _NEXT.get(max(versions, default=0))
        return f"TLS {after}" if after else None
    return f"TLS {min(versions)}" if versions and not _REFUSED.search(before) else None


def _cipher_bits(said: Said) -> int | None:
    sizes = [one.number for one in said.quantities if one.unit == "bits" and one.of in {"AES", ""}]
    return int(min(sizes)) if sizes else None


def _counted(*units: str) -> Callable[[Said], int | None]:
    def read(said: Said) -> int | None:
        found = next((one for one in said.quantities if one.unit in units), None)
        return _whole(found.number) if found else None

    return read


def _severity(said: Said) -> str | None:
    found = re.search(
        r"(?i)\b(critical|high|medium|low)\b[ -](?:or (?:higher|worse|above) )?(?:severity|risk)", said.text
    )
    return found[1].lower() if found else None


def _countries(text: str) -> list[str]:
    try:
        return [code for code, _ in countries_in(text)]
    except Unobservable:
        return []


_TRANSFER = re.compile(r"(?i)\b(?:transferr?(?:ed|s)?|sent|copied|moved)\b.{0,20}?\bto\b")


def _country(said: Said) -> str | None:
    transfer = _TRANSFER.search(said.text)
    return next(iter(_countries(said.text[: transfer.start()] if transfer else said.text)), None)


def _transfer(said: Said) -> list[str] | None:
    transfer = _TRANSFER.search(said.text)
    return _countries(said.text[transfer.end() :]) or None if transfer else None


_PROVIDERS = (
    "Hetzner", "OVHcloud", "OVH", "Scaleway", "Exoscale", "Infomaniak", "UpCloud", "IONOS", "Contabo", "Leaseweb", "netcup", "STACKIT",
    "Open Telekom Cloud", "DigitalOcean", "Linode", "Akamai", "Vultr", "Amazon Web Services", "AWS", "Google Cloud", "GCP", "Microsoft Azure",
    "Azure", "Oracle Cloud", "IBM Cloud", "Alibaba Cloud", "Equinix", "Rackspace", "Fly.io", "Render", "Heroku",
)  # fmt: skip
_PROVIDER = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, _PROVIDERS))})(?!\w)")


def _provider(said: Said) -> str | None:
    found = _PROVIDER.search(said.text)
    return found.group() if found else None


_PLANS = re.compile(
    r"\b[Oo]n (?:the |our )?((?:[A-Z][\w-]*)(?:(?:, | and | or |, and )[A-Z][\w-]*)*)(?: plans?| tiers?|,)"
)


def _plans(said: Said) -> list[str] | None:
    found = _PLANS.search(said.text)
    return [one.lower() for one in re.split(r", and |, | and | or ", found[1])] if found else None


def _categories(said: Said) -> list[str] | None:
    found = re.search(r"\(([a-z][a-z ,&-]+)\)", said.text)
    return [one.strip() for one in re.split(r",| and |&", found[1]) if one.strip()] if found else None


_NOTICE = (
    ("nature", r"\bnature\b"),
    ("data_affected", r"\bdata (?:\w+ )?(?:affected|concerned)|affected data"),
    ("steps_taken", r"\b(?:steps|measures|actions)\b"),
)


def _notice_parts(said: Said) -> list[str] | None:
    return [name for name, pattern in _NOTICE if re.search(pattern, said.text, re.IGNORECASE)] or None


def _time(said: Said) -> object | None:
    return next((one for one in said.quantities if one.unit == "business days" or _hours(one) is not None), None)


def _nothing(_: Said) -> None:
    return None


READERS: dict[str, Reader] = {
    "tls version": Reader(_tls, "which version of TLS is the oldest that is let in"),
    "cipher bits": Reader(_cipher_bits, "how many bits the keys have at least"),
    "seconds": Reader(_seconds, "how many seconds"),
    "minutes": Reader(_minutes, "how many minutes at most"),
    "hours": Reader(_hours_of, "within how many hours"),
    "days": Reader(_days, "how many days at most"),
    "role change days": Reader(_role_change_days, "within how many days after a change of role"),
    "business days": Reader(_business_days, "within how many business days"),
    "interval hours": Reader(_interval_hours, "every how many hours"),
    "interval days": Reader(_interval_days, "at least every how many days"),
    "time": Reader(_time, "which time"),
    "requests": Reader(
        _counted("requests", "per second", "per minute", "per hour"), "after how many requests a limit shows"
    ),
    "attempts": Reader(_counted("attempts", "logins", "tries"), "after how many attempts"),
    "approvals": Reader(
        _counted("approvals", "approvers", "reviewers", "reviews", "engineers", "developers"), "how many approvals"
    ),
    "severity": Reader(_severity, "from which severity on"),
    "country": Reader(_country, "which country"),
    "transfer countries": Reader(_transfer, "to which countries"),
    "place": Reader(lambda said: _country(said) or _provider(said), "which country or provider"),
    "provider": Reader(_provider, "which provider"),
    "plans": Reader(_plans, "on which plans"),
    "categories": Reader(_categories, "which categories"),
    "notice parts": Reader(_notice_parts, "which parts a notice has"),
    "sentence": Reader(lambda said: said.text, "the words of the denial"),
    "claim": Reader(lambda said: said.claim or None, "the claim's id"),
    "target name": Reader(_nothing, "what the target calls these calls (outbound.destinations.purpose)"),
    "holidays": Reader(_nothing, "whose public holidays count (a country's code)"),
    "time zone": Reader(_nothing, "in which time zone days are counted"),
}
"""What can be read for a parameter, by the name that phrasings use."""
