"""Countries that words name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

_SHORT = {"South Korea": "KR", "Taiwan": "TW", "Russia": "RU", "Vietnam": "VN", "USA": "US", "United States": "US", "Czech Republic": "CZ", "UK": "GB", "Turkey": "TR"}  # fmt: skip


def named(text: str) -> dict[str, str]:
    """The countries that the text names, each as it stands there, with its ISO 3166-1 code; none without pycountry."""
    codes, pattern = _names()
    return {found.group(): codes[found.group().lower()] for found in pattern.finditer(text)}


@cache
def _names() -> tuple[Mapping[str, str], re.Pattern[str]]:
    codes = {name.lower(): code for name, code in _SHORT.items()}
    try:
        import pycountry  # noqa: PLC0415  (an extra)
    except ImportError:
        pass
    else:
        for country in pycountry.countries:
            for name in (country.name, getattr(country, "common_name", "")):
                if name:
                    codes[name.lower()] = country.alpha_2
    longest_first = sorted(codes, key=len, reverse=True)
    return codes, re.compile(rf"\b(?i:{'|'.join(map(re.escape, longest_first))})\b")
