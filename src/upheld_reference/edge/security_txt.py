"""The security.txt file: how to report a vulnerability (RFC 9116), signed in the clear with OpenPGP (§2.3)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from upheld_reference.platform import Platform

if TYPE_CHECKING:
    from pysequoia import Tsk

PATH = "/.well-known/security.txt"
"""Where the file is (RFC 9116 §3)."""
KEY_PATH = "/security-key.asc"
"""Where the public key is: reports may be encrypted to it, and it verifies the file."""
MEDIA_TYPE = "text/plain; charset=utf-8"
"""What the file is served as (RFC 9116 §3)."""
_KEY_MEDIA_TYPE = "application/pgp-keys"  # RFC 3156 §7
_OWNER = "Rivet Security <security@rivetsoftware.dev>"
_KEY_VALIDITY_SECONDS = 365 * 24 * 3600
_VALIDITY = dt.timedelta(days=180)

Field = tuple[str, str]
"""A field's name and value."""


@dataclass(frozen=True)
class Signer:
    """The OpenPGP key of the security team; its secret half never leaves the process."""

    key: Tsk = field(repr=False)

    @classmethod
    def create(cls) -> Signer:
        """A new key with a subkey for signing and one for encryption."""
        from pysequoia import Tsk  # noqa: PLC0415  (late: only the process that serves needs the library)

        return cls(Tsk.generate(_OWNER, validity_seconds=_KEY_VALIDITY_SECONDS))

    @property
    def public_key(self) -> str:
        """The public half, armoured as ASCII."""
        return str(self.key.extract_certificate())

    def sign(self, text: str) -> str:
        """``text`` with a cleartext signature around it (RFC 9580 §7)."""
        from pysequoia import SignatureMode, sign  # noqa: PLC0415  (as above)

        return sign(self.key.signer(), text.encode(), mode=SignatureMode.CLEAR).decode("ascii")


def fields(platform: Platform, now: dt.datetime) -> list[Field]:
    """The file's fields, in order; it expires half a year after ``now`` (RFC 9116 §2.5.5 asks for less than a year)."""
    www = platform.listeners["www"].url
    return [
        ("Contact", "mailto:security@rivetsoftware.dev"),
        ("Contact", f"{www}/security#responsible-disclosure"),
        ("Expires", (now + _VALIDITY).strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("Encryption", f"{www}{KEY_PATH}"),
        ("Preferred-Languages", "en"),
        ("Canonical", f"{www}{PATH}"),
        ("Policy", f"{www}/security#responsible-disclosure"),
    ]


def signed(signer: Signer, text: str) -> str:
    """The file as it is served: ``text``, signed by ``signer``."""
    return signer.sign(text)


def routes(platform: Platform, signer: Signer) -> list[Route]:
    """The routes that serve the file and the key."""
    lines = [f"{name}: {value}\n" for name, value in fields(platform, dt.datetime.now(dt.UTC))]
    body = signed(signer, "".join(["# Found a vulnerability in Rivet? Tell us here.\n", *lines])).encode()
    key = signer.public_key.encode()

    async def serve(_request: Request) -> Response:
        return Response(body, headers={"content-type": MEDIA_TYPE})

    async def serve_key(_request: Request) -> Response:
        return Response(key, headers={"content-type": _KEY_MEDIA_TYPE})

    return [
        Route(PATH, serve, methods=["GET"], name="security.txt"),
        Route(KEY_PATH, serve_key, methods=["GET"], name="security-key.asc"),
    ]
