"""The points of the frameworks that claims refer to, so that a reference to one that does not exist is a mistake.

Sources: AICPA Trust Services Criteria (2017, points of focus revised 2022); ISO/IEC 27001:2022 Annex A and clauses 4 to 10;
South Africa's Protection of Personal Information Act 4 of 2013 (115 sections); Regulation (EU) 2016/679 (99 articles).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

_SOC2 = {
    "CC1": 5,
    "CC2": 3,
    "CC3": 4,
    "CC4": 2,
    "CC5": 3,
    "CC6": 8,
    "CC7": 5,
    "CC8": 1,
    "CC9": 2,
    "A1": 3,
    "C1": 2,
    "PI1": 5,
    "P1": 1,
    "P2": 1,
    "P3": 2,
    "P4": 3,
    "P5": 2,
    "P6": 7,
    "P7": 1,
    "P8": 1,
}
_ANNEX_A = {"A.5": 37, "A.6": 8, "A.7": 14, "A.8": 34}
_POPIA_SECTIONS = {"s": 115}
_GDPR_ARTICLES = {"Art. ": 99}


def _within(framework: str, pattern: str, last: Mapping[str, int], example: str) -> Callable[[str], str]:
    matcher = re.compile(pattern)

    def check(value: str) -> str:
        found = matcher.fullmatch(value)
        # A group that is not there is a clause of ISO 27001 itself, which the pattern alone decides.
        if found and (found["group"] is None or 1 <= int(found["number"]) <= last.get(found["group"], 0)):
            return value
        raise PydanticCustomError(
            "unknown_point",
            "{framework} has no such point; one is {example}",
            {"framework": framework, "example": example},
        )

    return check


def _schema(pattern: str, example: str) -> JsonDict:
    return {"pattern": f"^(?:{re.sub(r'[?]P<[a-z]+>', '', pattern)})$", "examples": [example]}


_SOC2_POINT = r"(?P<group>[A-Z]{1,2}[0-9])\.(?P<number>[1-9])"
_ISO_POINT = r"(?P<group>A\.[5-8])\.(?P<number>[1-9][0-9]?)|(?:[4-9]|10)\.[1-4](?:\.[1-4])?"
_POPIA_POINT = r"(?P<group>s)(?P<number>[1-9][0-9]{0,2})(?:\([0-9a-z]{1,3}\))*"
_GDPR_POINT = r"(?P<group>Art\. )(?P<number>[1-9][0-9]?)(?:\([0-9a-z]{1,3}\))*"

Soc2 = Annotated[
    str,
    AfterValidator(_within("SOC 2 (Trust Services Criteria)", _SOC2_POINT, _SOC2, "CC6.7")),
    Field(json_schema_extra=_schema(_SOC2_POINT, "CC6.7")),
]
"""A point of the Trust Services Criteria."""
Iso27001 = Annotated[
    str,
    AfterValidator(_within("ISO/IEC 27001:2022", _ISO_POINT, _ANNEX_A, "A.8.24")),
    Field(json_schema_extra=_schema(_ISO_POINT, "A.8.24")),
]
"""A control of Annex A, or a clause."""
Popia = Annotated[
    str,
    AfterValidator(_within("POPIA", _POPIA_POINT, _POPIA_SECTIONS, "s19(1)")),
    Field(json_schema_extra=_schema(_POPIA_POINT, "s19(1)")),
]
"""A section of the Protection of Personal Information Act."""
Gdpr = Annotated[
    str,
    AfterValidator(_within("the GDPR", _GDPR_POINT, _GDPR_ARTICLES, "Art. 32(1)(a)")),
    Field(json_schema_extra=_schema(_GDPR_POINT, "Art. 32(1)(a)")),
]
"""An article of the General Data Protection Regulation."""
