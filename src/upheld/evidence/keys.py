"""Keys: the private one that signs a bundle, and the public ones that a reader pins.

Ed25519 and ECDSA over P-256, in PEM (PKCS#8, SEC 1) or as OpenSSH writes them. What a reader pins may say until when it counts: a
certificate by its dates, a line of allowed signers by `valid-after` and `valid-before`.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from upheld.errors import InputError, Mistake, Unobservable
from upheld.evidence.agent import AgentKey, NoAgent, key_in_agent
from upheld.evidence.tree import SALT
from upheld.probes import sshsig
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

PASSPHRASE = "UPHELD_KEY_PASSPHRASE"  # noqa: S105  (the name of a variable)
NAMESPACE = "upheld-evidence"
"""What a line of allowed signers must allow, where it limits what its key may sign."""
_LARGEST = 1 << 20
_EXPECTED = "an Ed25519 or ECDSA P-256 key, in PEM or as OpenSSH writes it"
_SSH_TYPES = ("ssh-", "ecdsa-", "sk-")

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key of an issuer."""

    private: PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return self.private.public_key()

    @property
    def fingerprint(self) -> str:
        """That of its public half."""
        return fingerprint(self.public)

    def sign(self, message: bytes) -> bytes:
        """Its signature of `message`; always the same one (RFC 8032, RFC 6979)."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        try:
            return self.private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm:  # An OpenSSL before 3.2: the signature is as good, and another one each time.
            return self.private.sign(message, ec.ECDSA(hashes.SHA256()))

    def seed(self, about: bytes) -> bytes:
        """A secret for the salts of what is signed, the same for the same key and the same bytes; nothing of the key shows in it."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            secret = self.private.private_bytes_raw()
        else:
            secret = self.private.private_numbers().private_value.to_bytes(32, "big")
        info = b"upheld-evidence/1 seed of salts " + hashlib.sha256(about).digest()
        return HKDF(hashes.SHA256(), SALT, salt=None, info=info).derive(secret)


Signer = SigningKey | AgentKey
"""What signs a bundle: a private key, or one that an agent holds."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A public key that the reader pins, and between which instants it counts (None: always)."""

    public: PublicKey
    name: str = ""
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal."""
        return fingerprint(self.public)

    def flaw(self, moment: datetime) -> str:
        """Why the key does not count at that moment; empty where it does."""
        if self.valid_after is not None and moment < self.valid_after:
            return f"the key counts only from {self.valid_after:%Y-%m-%d %H:%M} UTC on"
        if self.valid_before is not None and moment >= self.valid_before:
            return f"the key expired on {self.valid_before:%Y-%m-%d %H:%M} UTC"
        return ""


def fingerprint(public: PublicKey) -> str:
    """The SHA-256 of the key's SubjectPublicKeyInfo in DER, in hexadecimal; it is the key id in envelopes."""
    return hashlib.sha256(encoded(public)).hexdigest()


def encoded(public: PublicKey) -> bytes:
    """The key's SubjectPublicKeyInfo in DER."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def library_key(public: PublicKey) -> SSlibKey:
    """The key as securesystemslib has it, under our key id."""
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415

    return SSlibKey.from_crypto(public, keyid=fingerprint(public))


def signing_key(reference: str) -> SigningKey:
    """The private key in a file, or in an environment variable (`env:NAME`); raises InputError where there is none that can sign.

    The passphrase of an encrypted one is taken from the environment variable UPHELD_KEY_PASSPHRASE.
    """
    named = reference if reference.startswith(("env:", "file:")) else f"file:{reference}"
    try:
        raw = resolve(named, Path()).encode("utf-8", "surrogateescape")
    except Unobservable as unobservable:
        raise _wrong("--key", unobservable.reason.replace("the secret file:", "the key ")) from None
    passphrase = os.environ.get(PASSPHRASE, "").encode() or None
    load: Callable[..., Any] = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in raw else load_pem_private_key
    try:
        try:
            private = load(raw + b"\n", None)
        except TypeError:  # It is encrypted; so says the library.
            if passphrase is None:
                raise _wrong("--key", f"the key is encrypted: put its passphrase into {PASSPHRASE}") from None
            private = load(raw + b"\n", passphrase)
    except UnsupportedAlgorithm as error:
        raise _wrong("--key", f"{reference} cannot be read here: {error}", expected=_EXPECTED) from None
    except ValueError:
        said = "is no private key, or the passphrase is not right"
        raise _wrong("--key", f"{reference} {said}", expected=_EXPECTED) from None
    if not fit(private.public_key()):
        raise _wrong("--key", "keys of this type sign no bundle", got=type(private).__name__, expected=_EXPECTED)
    return SigningKey(private)


def signer(reference: str) -> Signer:
    """As `signing_key`; of a file with a public SSH key the private half is taken to be in an ssh-agent."""
    path = Path(reference.removeprefix("file:"))
    line = b""
    if not reference.startswith("env:") and path.is_file():
        with path.open("rb") as stream:
            line = stream.read(_LARGEST).strip()
    if not line.startswith(tuple(one.encode() for one in _SSH_TYPES)):
        return signing_key(reference)
    try:
        public = load_ssh_public_key(line)
        if not fit(public):
            raise ValueError
        return key_in_agent(public, base64.b64decode(line.split()[1]))
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong("--key", f"{reference} is a public key that signs no bundle", expected=_EXPECTED) from None
    except NoAgent as error:
        raise _wrong("--key", f"{reference}: {error}", expected="the private key, or an agent that holds it") from None


def issuers(path: Path) -> tuple[Issuer, ...]:
    """The public keys in a file: PEM keys or certificates, OpenSSH keys, or a file of allowed signers; raises InputError."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except OSError as error:
        raise _wrong(
            str(path), f"cannot be read: {error.strerror or error}", expected="the issuer's public key"
        ) from None
    if len(raw) > _LARGEST:
        raise _wrong(str(path), f"is larger than {_LARGEST:,} bytes", expected="the issuer's public key")
    if b"PRIVATE KEY" in raw:
        raise _wrong(str(path), "is a private key, which belongs to nobody but the issuer", expected="its public half")
    try:
        found = tuple(_issuers(raw))
    except (ValueError, UnsupportedAlgorithm, UnicodeDecodeError):
        raise _wrong(str(path), "holds no public key that can be read", expected=_EXPECTED) from None
    except Unobservable as unobservable:
        raise _wrong(str(path), unobservable.reason, expected=_EXPECTED) from None
    if not found:
        raise _wrong(str(path), "names no key that could sign a bundle", expected=_EXPECTED)
    return found


def _issuers(raw: bytes) -> Iterable[Issuer]:
    if b"-----BEGIN CERTIFICATE-----" in raw:
        for certificate in x509.load_pem_x509_certificates(raw):
            if fit(key := certificate.public_key()):
                name = certificate.subject.rfc4514_string()
                yield Issuer(key, name, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        return
    if b"-----BEGIN" in raw:
        if fit(public := load_pem_public_key(raw)):
            yield Issuer(public)
        return
    lines = [one.strip() for one in raw.decode().splitlines() if one.strip() and not one.lstrip().startswith("#")]
    if lines and lines[0].startswith(_SSH_TYPES):
        for line in lines:
            if fit(of_line := load_ssh_public_key(line.encode())):
                yield Issuer(of_line, " ".join(line.split()[2:]))
        return
    for signer in sshsig.read_allowed(raw):
        if not signer.authority and signer.good_for(NAMESPACE) and fit(allowed := sshsig.public_key(signer.key)):
            yield Issuer(allowed, ",".join(signer.principals), signer.valid_after, signer.valid_before)


def fit(public: object) -> TypeGuard[PublicKey]:
    """Whether bundles are signed with keys of that type."""
    if isinstance(public, ec.EllipticCurvePublicKey):
        return isinstance(public.curve, ec.SECP256R1)
    return isinstance(public, ed25519.Ed25519PublicKey)


def _wrong(file: str, message: str, *, got: str = "", expected: str = "") -> InputError:
    return InputError([Mistake(file, 0, 0, message, got, expected)])
