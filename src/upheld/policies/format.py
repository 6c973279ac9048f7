"""What a policy file and a waiver file may contain: the models that they are validated against and that schemas come from.

Checks and their parameters are `Any` here; `upheld.policies.uses` validates them against the catalogue, with places.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from upheld.model import Severity
from upheld.policies.frameworks import Gdpr, Iso27001, Popia, Soc2

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


def _day(value: str) -> str:
    try:
        # Python also reads 20270131 and 2027-W04-7; a policy is for people.
        if _DAY.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "not a date")


def _as_tuple(value: object) -> object:
    # After a validator of our own pydantic no longer takes a list for a tuple.
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Text = Annotated[str, AfterValidator(_not_blank), Field(json_schema_extra={"pattern": r"\S"})]
"""A text that says something."""
ClaimId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=100)]
Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
Paths = Annotated[tuple[Text, ...], BeforeValidator(_as_tuple)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class References(_Part):
    """The points of frameworks that a claim speaks to."""

    soc2: tuple[Soc2, ...] = Field(default=(), description="Trust Services Criteria (2017), such as CC6.7.")
    iso27001: tuple[Iso27001, ...] = Field(
        default=(), description="ISO/IEC 27001:2022, Annex A or clauses, such as A.8.24."
    )
    popia: tuple[Popia, ...] = Field(default=(), description="Sections of POPIA (South Africa), such as s19(1).")
    gdpr: tuple[Gdpr, ...] = Field(default=(), description="Articles of the GDPR, such as Art. 32(1)(a).")


class Publication(_Part):
    """Where the claims are published."""

    source: Text = Field(description="Where they stand: an address or the name of a document.")
    title: str = Field(default="", description="The page's title.")
    published_at: str = Field(default="", description="When this wording was published.")


class EarlierEntry(_Part):
    """What a claim said before its wording changed, or before the page stopped saying part of it."""

    until: Day = Field(description="The day on which the change was noticed, such as 2026-11-26.")
    statement: Text = Field(description="The words of before.")
    sentences: tuple[Text, ...] = Field(
        default=(), description="The sentences that changed or went, where these are others."
    )
    why: str = Field(default="", description="Why it was changed.")


class RetractionEntry(_Part):
    """That the page no longer makes a claim. It stays as a tombstone: nothing decides it, and its name is taken."""

    day: Day = Field(description="The day on which that was noticed, such as 2026-11-26.")
    why: Text = Field(description="Why it was retracted.")


class ClaimEntry(_Part):
    """One published claim."""

    id: ClaimId = Field(description="A name that stays when the wording changes.")
    statement: Text = Field(description="The published words, verbatim.")
    sentences: tuple[Text, ...] = Field(
        default=(),
        description="The sentences of the page that this claim carries, verbatim; the statement, when left out.",
    )
    section: Text = Field(description="The page's heading under which it stands.")
    severity: Severity = Field(description="How much it hurts when it does not hold.")
    owner: Text = Field(description="The team that answers for it.")
    references: References = References()
    origin: Literal["page", "policy"] = Field(default="page", description="`policy` for a claim about the page itself.")
    gated: bool = Field(default=True, description="Whether a build fails when it does not hold.")
    note: str = Field(default="", description="Shown beside the claim.")
    checks: tuple[Any, ...] = Field(default=(), description="The checks that decide it, with their parameters.")
    decided_by: tuple[ClaimId, ...] = Field(default=(), description="Other claims that decide this one.")
    accept_attested: bool = Field(default=False, description="Whether a signed attestation is enough for the gate.")
    previously: tuple[EarlierEntry, ...] = Field(default=(), description="What it said before, the latest first.")
    retracted: RetractionEntry | None = Field(
        default=None, description="When and why the page stopped making the claim."
    )


class NoPromise(_Part):
    """A sentence of the page that promises nothing."""

    sentence: Text = Field(description="The sentence, verbatim.")
    why: Text = Field(description="Why nobody can hold the publisher to it.")


class Gate(_Part):
    """What `upheld gate` may take over from an earlier run (docs/gate.md)."""

    deployed_from: tuple[Text, ...] = Field(
        description="Patterns of the paths that the running deployment is made from, in which `*` also matches `/`; a change that touches"
        " none of them leaves what was seen of it as it was. An empty list: no change reaches it before it is merged."
    )


class PolicyFile(_Part):
    """Published claims and the checks that decide them."""

    upheld: Literal["policy/1"] = Field(description="The format of this file.")
    name: Text | None = Field(
        default=None, description="The policy's name; an overlay may leave it to what it extends."
    )
    publication: Publication | None = None
    extends: Paths = Field(default=(), description="Policies that this one starts from.")
    include: Paths = Field(default=(), description="Files with further claims.")
    waivers: Text | None = Field(
        default=None, description="The file of waivers; else waivers.yaml beside this file, if any."
    )
    claims: tuple[ClaimEntry, ...] = ()
    gate: Gate | None = None
    no_promise: tuple[NoPromise, ...] = Field(default=(), description="Sentences of the page that promise nothing.")
    override: dict[str, dict[str, dict[str, Any]]] = Field(
        default={},
        description="Claim, check, parameter, value: what this policy sets differently from what it extends.",
    )


class WaiverEntry(_Part):
    """One accepted deviation."""

    claim: ClaimId = Field(description="The claim that does not hold.")
    check: Text | None = Field(default=None, description="Only this check of the claim.")
    subject: Text | None = Field(default=None, description="Only this subject.")
    reason: Text = Field(description="Why it is accepted.")
    approver: Text = Field(description="Who accepted it.")
    expires: Day = Field(description="The last day on which it counts, such as 2027-01-31.")


class WaiverFile(_Part):
    """Accepted deviations. None changes a verdict; only the gate takes them into account, until they expire."""

    upheld: Literal["waivers/1"] = Field(default="waivers/1", description="The format of this file.")
    waivers: tuple[WaiverEntry, ...] = Field(description="The deviations; may be empty.")
