"""Defects of the agreements with sub-processors."""

from __future__ import annotations

from pathlib import Path

from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage

_CLAIMS = ("subprocessors-dpa",)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "messwert",
        "the agreement ended on",
    ),
)
def agreement_expired(platform: Platform) -> None:
    """The data processing agreement with the analytics company ran out three days ago."""
    rewriting.entry(
        platform,
        "sub-processors",
        "id",
        "messwert",
        lambda entry, clock: entry["agreement"].update(valid_until=clock.day(-3)),
    )


@sabotage(breaks=_CLAIMS, shows=("kaappay.md does not exist",))
def agreement_document_missing(platform: Platform) -> None:
    """Nobody has the agreement with the payments company that the register refers to."""
    rewriting.file(platform, "documents/agreements/kaappay.md", Path.unlink)


@sabotage(breaks=_CLAIMS, shows=("hetzner.md was changed since its digest was taken",))
def agreement_document_changed(platform: Platform) -> None:
    """The agreement with the hosting company is not the one that was signed: a paragraph was added to the document."""
    paragraph = "7. The processor may engage further processors without asking.\n"
    rewriting.file(platform, "documents/agreements/hetzner.md", rewriting.appended(paragraph))


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "graph.rivet.example (graph)",
        "in no entry",
    ),
)
def contacted_host_not_in_register(platform: Platform) -> None:
    """The platform calls the Graph API, on a host that no entry of the register of sub-processors names."""
    rewriting.entry(platform, "sub-processors", "id", "meta", lambda entry, _clock: entry["hosts"].clear())


@sabotage(
    breaks=("credentials-not-shared",),
    shows=(
        "messwert",
        "receives credentials",
    ),
)
def subprocessor_receives_credentials(platform: Platform) -> None:
    """The analytics company is given customers' WhatsApp access tokens, as the register of sub-processors says."""
    rewriting.entry(
        platform,
        "sub-processors",
        "id",
        "messwert",
        lambda entry, _clock: entry.update(receives_credentials=True, data=[*entry["data"], "WhatsApp access tokens"]),
    )
