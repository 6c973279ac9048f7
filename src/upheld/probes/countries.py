"""The countries that a text names, by the names and spellings of ISO 3166-1 and those that people use."""

from __future__ import annotations

import re
from functools import cache

from upheld.errors import Unobservable

# What people write and the standard does not. Upper and lower case count, as in "US" and "us".
_SPELLINGS = {
    "United States": "US", "United States of America": "US", "USA": "US", "U.S.A.": "US", "U.S.": "US", "US": "US",
    "United Kingdom": "GB", "UK": "GB", "U.K.": "GB", "Great Britain": "GB", "England": "GB", "Scotland": "GB",
    "Russia": "RU", "South Korea": "KR", "North Korea": "KP", "Turkey": "TR", "Czech Republic": "CZ", "Holland": "NL",
    "Ivory Coast": "CI", "Cape Verde": "CV", "Swaziland": "SZ", "Macedonia": "MK", "Burma": "MM", "UAE": "AE",
    "Brunei": "BN", "Syria": "SY", "Palestine": "PS", "Vatican": "VA", "Macau": "MO",
}  # fmt: skip


def countries_in(text: str) -> tuple[tuple[str, str], ...]:
    """The countries that `text` names: ISO 3166-1 code and the words, in the order in which they first come."""
    names, pattern = _names()
    found: dict[str, str] = {}
    for match in pattern.finditer(" ".join(text.split())):
        found.setdefault(names[match.group()], match.group())
    return tuple(found.items())


@cache
def _names() -> tuple[dict[str, str], re.Pattern[str]]:
    try:
        import pycountry  # noqa: PLC0415  (an extra)
    except ImportError:
        raise Unobservable("the names of countries are not at hand: install upheld[registers]") from None
    names = dict(_SPELLINGS)
    for country in pycountry.countries:
        for name in (country.name, getattr(country, "common_name", ""), getattr(country, "official_name", "")):
            if name:
                names.setdefault(name, country.alpha_2)
                # "Iran, Islamic Republic of" is Iran to everybody else, but "Korea, Republic of" is one of two.
                short = name.partition(",")[0]
                if short not in {"Korea", "Congo", "Virgin Islands", "Saint Helena"}:
                    names.setdefault(short, country.alpha_2)
    # The longest first, so that Papua New Guinea is not Guinea.
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return names, re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")
