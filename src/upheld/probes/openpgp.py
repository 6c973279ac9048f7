"""OpenPGP cleartext signatures: what they cover, and whether they verify, through gpg with a key ring of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from upheld.errors import TimedOut, Unobservable

_SIGNED = re.compile(
    r"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<text>.*?)\r?\n-----BEGIN PGP SIGNATURE-----",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """Whether a signature verifies with the key that was given, and in plain words what gpg said."""

    good: bool
    fingerprint: str
    summary: str


def signed_text(text: str) -> tuple[bool, str]:
    """Whether `text` is signed in the clear, and what the signature covers (the whole text when it is not signed)."""
    found = _SIGNED.search(text)
    if found is None:
        return "-----BEGIN PGP SIGNED MESSAGE-----" in text, text
    return True, re.sub(r"^- ", "", found["text"], flags=re.MULTILINE)


def verify(text: str, key: Path, seconds: float) -> Signature:
    """Verify a clear-signed `text` with the public key in the file `key`; the user's own key ring is not touched.

    Raises Unobservable when gpg or the key is missing, TimedOut when gpg is not done within `seconds`.
    """
    gpg = shutil.which("gpg")
    if gpg is None:
        raise Unobservable("gpg is not installed, so the OpenPGP signature was not verified")
    if not key.is_file():
        raise Unobservable(f"the OpenPGP key file {key.name} cannot be read")
    # In the system's folder: gpg's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="upheld-gpg-") as home:

        def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
            command = [gpg, "--homedir", home, "--batch", "--no-tty", "--no-autostart", "--status-fd", "1", *arguments]
            try:
                return subprocess.run(
                    command,
                    input=text,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise TimedOut(f"gpg was not done within {seconds:g} s") from error

        if "IMPORT_OK" not in run("--import", str(key)).stdout:
            raise Unobservable(f"{key.name} holds no OpenPGP public key")
        status = run("--trust-model", "always", "--verify", text=text).stdout
    said = {line.split()[1]: line.split()[2:] for line in status.splitlines() if line.startswith("[GNUPG:] ")}
    if "VALIDSIG" in said and "GOODSIG" in said:
        return Signature(True, said["VALIDSIG"][0], "the signature verifies")
    for keyword, words in (
        ("BADSIG", "the signature does not match the text"),
        ("EXPKEYSIG", "the signing key has expired"),
        ("REVKEYSIG", "the signing key was revoked"),
        ("EXPSIG", "the signature has expired"),
        ("NO_PUBKEY", "it was signed with another key than the declared one"),
    ):
        if keyword in said:
            return Signature(False, said[keyword][0] if said[keyword] else "", words)
    return Signature(False, "", "there is no valid signature")
