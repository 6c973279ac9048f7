"""Defects of the way by which vulnerabilities are reported: what is wrong with security.txt (RFC 9116)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from upheld_reference.edge import security_txt
from upheld_reference.edge.security_txt import Field, Signer
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("disclosure-channel",)


@sabotage(breaks=_CLAIMS, shows=("expired",))
def security_txt_expired(platform: Platform) -> None:
    """The Expires field of security.txt is three days ago."""
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    _rewrite(platform, lambda field: (field[0], past) if field[0] == "Expires" else field)


@sabotage(breaks=_CLAIMS, shows=("Expires",))
def security_txt_without_expires(platform: Platform) -> None:
    """The compulsory Expires field of security.txt is missing."""
    _rewrite(platform, lambda field: None if field[0] == "Expires" else field)


@sabotage(breaks=_CLAIMS, shows=("http://",))
def security_txt_http_contact(platform: Platform) -> None:
    """A Contact field of security.txt is a web address without HTTPS."""
    plain = "http://www.rivet.example/security"
    _rewrite(platform, lambda field: (field[0], plain) if field[1].startswith("https:") else field, only="Contact")


@sabotage(breaks=_CLAIMS, shows=("text/html",))
def security_txt_wrong_media_type(platform: Platform) -> None:
    """security.txt is served as HTML instead of as plain text."""
    platform.replace(security_txt, "MEDIA_TYPE", "text/html; charset=utf-8")


@sabotage(breaks=_CLAIMS, shows=("Canonical",))
def security_txt_canonical_elsewhere(platform: Platform) -> None:
    """The Canonical field of security.txt names another site, so that this copy of it is not to be trusted."""
    elsewhere = f"https://old.rivet.example{security_txt.PATH}"
    _rewrite(platform, lambda field: (field[0], elsewhere) if field[0] == "Canonical" else field)


@sabotage(breaks=_CLAIMS, shows=("the signature does not match the text",))
def security_txt_signature_of_other_text(platform: Platform) -> None:
    """security.txt was edited after it had been signed, so that its signature is of another text."""
    sign = security_txt.signed

    def signed(signer: Signer, text: str) -> str:
        return sign(signer, text).replace("Preferred-Languages: en\n", "Preferred-Languages: en, de\n")

    platform.replace(security_txt, "signed", signed)


@sabotage(
    breaks=("no-bounty",),
    shows=(
        "bug-bounty: True",
        "bounty.example.com",
    ),
)
def security_txt_names_bounty(platform: Platform) -> None:
    """The Policy field of security.txt leads to a bug bounty programme, and another one says that there is one."""
    right = security_txt.fields

    def fields(built: Platform, now: dt.datetime) -> list[Field]:
        kept = [field for field in right(built, now) if field[0] != "Policy"]
        return [*kept, ("Policy", "https://bounty.example.com/programmes/rivet"), ("Bug-Bounty", "True")]

    platform.replace(security_txt, "fields", fields)


def _rewrite(platform: Platform, change: Callable[[Field], Field | None], only: str | None = None) -> None:
    """Sends every field, or those called ``only``, through ``change``; None leaves the field out."""
    right = security_txt.fields

    def fields(built: Platform, now: dt.datetime) -> list[Field]:
        changed = [change(field) if only in (None, field[0]) else field for field in right(built, now)]
        return [field for field in changed if field is not None]

    platform.replace(security_txt, "fields", fields)
