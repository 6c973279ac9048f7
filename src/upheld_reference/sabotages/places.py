"""Defects of where data is: a country that nobody was told of, or a policy that does not tell."""

from __future__ import annotations

from typing import Any

from upheld_reference.edge import pages
from upheld_reference.platform import Platform
from upheld_reference.registers.clock import Clock
from upheld_reference.sabotages import rewriting, sabotage

_CLAIMS = ("data-location",)

_TRANSFER = (
    " It is transferred to South Africa, where our support and engineering staff work and where payments are handled, under"
    " a data transfer agreement with standard contractual clauses."
)
_PAYMENTS = ", in South Africa,"


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "heatlens",
        "US is no declared place",
    ),
)
def subprocessor_in_third_country(platform: Platform) -> None:
    """A sub-processor for analytics processes customers' data in the United States, under an agreement in force."""

    def add(books: dict[str, Any], clock: Clock) -> None:
        books["sub-processors"]["sub_processors"].append(
            {
                "id": "heatlens",
                "name": "Heatlens Inc.",
                "category": "analytics",
                "purpose": "Records which parts of the inbox are clicked",
                "data": ["pseudonymous member identifier", "clicks"],
                "country": "US",
                "hosts": ["collect.heatlens.example"],
                "receives_credentials": False,
                "agreement": {
                    "title": "Data processing addendum",
                    "signed_on": clock.day(-90),
                    "valid_until": clock.day(275),
                    "document": "documents/agreements/heatlens.md",
                },
            }
        )

    rewriting.registers(platform, add)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "night-support",
        "PH is no declared place",
    ),
)
def data_flow_to_third_country(platform: Platform) -> None:
    """Customers' requests are answered at night by a support team in the Philippines, as the register of flows says."""

    def add(books: dict[str, Any], _clock: Clock) -> None:
        books["data-flows"]["flows"].append(
            {
                "id": "night-support",
                "what": "What a customer's request needs, read by support with a justification",
                "personal": True,
                "from": "DE",
                "to": "PH",
                "recipient": "Rivet Software (Pty) Ltd, night support",
                "purpose": "Answering customers' requests at night",
                "safeguard": "Standard contractual clauses",
            }
        )

    rewriting.registers(platform, add)


@sabotage(breaks=_CLAIMS, shows=("ZA: not named in",))
def privacy_policy_without_transfer(platform: Platform) -> None:
    """The privacy policy says nothing of a transfer to South Africa, or of anything that is done there."""
    right = pages.source
    for sentence in (_TRANSFER, _PAYMENTS):
        if sentence not in right("privacy.html"):
            raise ValueError(f"the privacy policy has no {sentence!r} to take out")

    def source(name: str) -> str:
        text = right(name)
        return text.replace(_TRANSFER, "").replace(_PAYMENTS, "") if name == "privacy.html" else text

    platform.replace(pages, "source", source)
