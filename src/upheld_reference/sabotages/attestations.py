"""Defects of the signed statements: out of date, signed by the wrong person, not signed, or changed since."""

from __future__ import annotations

from pathlib import Path

from upheld_reference.platform import Platform
from upheld_reference.registers.clock import Clock
from upheld_reference.sabotages import rewriting, sabotage
from upheld_reference.sabotages.rewriting import Entry


def _expire(platform: Platform, claim: str) -> None:
    """Has the statement about ``claim`` signed more than a year ago, and expired five weeks ago."""

    def change(entry: Entry, clock: Clock) -> None:
        entry.update(signed_at=clock.at(-400, "10:00"), expires_at=clock.at(-35, "10:00"))

    rewriting.entry(platform, "attestations", "claim", claim, change)


@sabotage(breaks=("meta-terms",), shows=("it expired on",))
def meta_terms_attestation_expired(platform: Platform) -> None:
    """The signed statement about Meta's Platform Terms expired five weeks ago."""
    _expire(platform, "meta-terms")


@sabotage(
    breaks=("meta-terms",),
    shows=(
        "signature under meta-terms",
        "not among those of the allowed signers",
    ),
)
def meta_terms_signer_not_allowed(platform: Platform) -> None:
    """The statement about Meta's Platform Terms is signed by an engineer who may not vouch for it."""
    rewriting.entry(platform, "attestations", "claim", "meta-terms", lambda entry, _clock: entry.update(signer="lukas"))


@sabotage(
    breaks=("meta-terms",),
    shows=(
        "platform-terms.md",
        "was changed since it was signed",
    ),
)
def meta_terms_document_changed(platform: Platform) -> None:
    """The record of Meta's Platform Terms was changed after the statement about it was signed."""
    line = "- Platform data may also be used to train models.\n"
    rewriting.file(platform, "documents/meta/platform-terms.md", rewriting.appended(line))


@sabotage(breaks=("meta-bsp",), shows=("it expired on",))
def meta_bsp_attestation_expired(platform: Platform) -> None:
    """The signed statement about being Meta's Business Solution Provider expired five weeks ago."""
    _expire(platform, "meta-bsp")


@sabotage(breaks=("meta-bsp",), shows=("it is no signature of this file",))
def meta_bsp_signature_invalid(platform: Platform) -> None:
    """The statement about being Meta's Business Solution Provider was changed after it was signed."""
    change = rewriting.replaced("role: Chief executive", "role: Chief executive and data protection officer")
    rewriting.file(platform, "attestations/meta-bsp.yaml", change)


@sabotage(breaks=("no-data-sale",), shows=("it expired on",))
def no_data_sale_attestation_expired(platform: Platform) -> None:
    """The signed statement that no customer data is sold expired five weeks ago."""
    _expire(platform, "no-data-sale")


@sabotage(breaks=("no-data-sale",), shows=("there is no signature",))
def no_data_sale_unsigned(platform: Platform) -> None:
    """Nobody signed the statement that no customer data is sold."""
    rewriting.file(platform, "attestations/no-data-sale.yaml.sig", Path.unlink)


@sabotage(breaks=("credentials-not-shared",), shows=("it expired on",))
def credentials_attestation_expired(platform: Platform) -> None:
    """The signed statement that credentials are not shared with anybody expired five weeks ago."""
    _expire(platform, "credentials-not-shared")
