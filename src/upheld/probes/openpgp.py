"""OpenPGP cleartext signatures: what they cover, and whether they verify, by Sequoia in this process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from pysequoia import Cert

_SIGNED = re.compile(
    r"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<text>.*?)\r?\n-----BEGIN PGP SIGNATURE-----",
    re.DOTALL | re.MULTILINE,
)
LARGEST_KEY = 256 * 1024
"""Bytes of a key file that are read."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Whether a signature verifies with the key that was given, and in plain words how it failed."""

    good: bool
    fingerprint: str
    summary: str


def signed_text(text: str) -> tuple[bool, str]:
    """Whether `text` is signed in the clear, and what the signature covers (the whole text when it is not signed)."""
    found = _SIGNED.search(text)
    if found is None:
        return "-----BEGIN PGP SIGNED MESSAGE-----" in text, text
    return True, re.sub(r"^- ", "", found["text"], flags=re.MULTILINE)


def verify(text: str, key: Path) -> Signature:
    """Verify a clear-signed `text` with the public key in the file `key`.

    Raises Unobservable when the key cannot be read or is none.
    """
    from pysequoia import verify as verified  # noqa: PLC0415  (late: only a signed file needs it)

    certificate, own = _key(key)
    asked: list[str] = []

    def known(wanted: list[str]) -> list[Cert]:
        asked.extend(one.lower() for one in wanted)
        return [certificate]

    try:
        found = verified(bytes=text.encode("utf-8", "surrogateescape"), store=known)
    except Exception as error:  # Sequoia raises RuntimeError, with a backtrace, for whatever is wrong with a signature.
        said = str(error).partition("\n")[0]
        if not asked:
            return Signature(False, "", f"there is no valid signature ({said.rstrip('.')})")
        if not any(mine.endswith(one) for one in asked for mine in own):
            return Signature(False, asked[0], "it was signed with another key than the declared one")
        return Signature(False, asked[0], _worn(certificate) or "the signature does not match the text")
    signer = found.valid_sigs[0]
    return Signature(True, signer.certificate, "the signature verifies")


def _key(key: Path) -> tuple[Cert, tuple[str, ...]]:
    """The certificate in the file, and the fingerprints of its keys."""
    from pysequoia import Cert  # noqa: PLC0415  (likewise)
    from pysequoia.packet import PacketPile  # noqa: PLC0415

    try:
        with key.open("rb") as file:
            content = file.read(LARGEST_KEY + 1)
    except OSError as error:
        raise Unobservable(f"the OpenPGP key file {key.name} cannot be read") from error
    if len(content) > LARGEST_KEY:
        raise Unobservable(f"the OpenPGP key file {key.name} is larger than {LARGEST_KEY} bytes")
    try:
        certificate = Cert.from_bytes(content)
        packets = PacketPile.from_bytes(bytes(certificate))
    except Exception as error:  # As above: whatever is wrong with a key.
        raise Unobservable(f"{key.name} holds no OpenPGP public key") from error
    return certificate, tuple(one.fingerprint.lower() for one in packets if one.fingerprint)


def _worn(certificate: Cert) -> str:
    """Why a key of the certificate counts no longer; empty when it does."""
    if certificate.is_revoked:
        return "the signing key was revoked"
    if certificate.expiration is not None and certificate.expiration < datetime.now(UTC):
        return "the signing key has expired"
    return ""
