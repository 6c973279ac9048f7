"""Detached CMS signatures (RFC 5652) over a file, as `openssl cms -sign` and programs for signed mail make them.

What is covered by the signature is the file as it stands, or with the ends of its lines as mail has them (RFC 8551 §3.1.1);
a copy of it that lies in the signature is not looked at.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from upheld.errors import Unobservable

SMALLEST_RSA = 2048
"""Bits of an RSA key with which a signature counts."""
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_WEAK = {"md2", "md5", "sha1", "sha224"}
_HINT = "make it with `openssl cms -sign -binary -outform PEM`"


@dataclass(frozen=True, slots=True)
class CmsSignature:
    """A signature by one signer. `attributes` are its signed attributes as they are signed, empty where it has none.

    `issuer` and `serial`, or else `key_identifier`, say whose certificate it is; `made_at` is what the signer says of the time.
    """

    certificates: tuple[x509.Certificate, ...]
    issuer: bytes
    serial: int
    key_identifier: bytes
    digest: str
    algorithm: str
    signed_hash: str
    salt_length: int
    attributes: bytes
    content_type: str
    message_digest: bytes
    made_at: datetime | None
    value: bytes

    def of(self, certificate: x509.Certificate) -> bool:
        """Whether it says that this certificate is the signer's."""
        if self.key_identifier:
            try:
                found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
            except (x509.ExtensionNotFound, ValueError):
                return False
            return found.value.digest == self.key_identifier
        return certificate.serial_number == self.serial and certificate.issuer.public_bytes() == self.issuer


@contextmanager
def _readable() -> Iterator[None]:
    """Map what cannot be parsed to Unobservable."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise Unobservable(f"the signature cannot be read: {type(error).__name__} {error}".split("\n", 1)[0]) from error


def read_cms(raw: bytes) -> CmsSignature:
    """The one signature in a file of CMS, in PEM or DER; raises Unobservable when it is none, or one that is not understood."""
    try:
        from asn1crypto import cms, pem  # type: ignore[import-untyped]  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise Unobservable("signatures by certificates need asn1crypto: pip install 'upheld[registers]'") from error
    with _readable():
        if pem.detect(raw):
            kind, _, raw = pem.unarmor(raw)
            if kind not in {"CMS", "PKCS7"}:
                raise Unobservable(f"the signature file holds a {kind}, and no CMS; {_HINT}")
        elif not raw.startswith(b"\x30"):
            raise Unobservable(f"the signature file is no CMS in PEM or DER; {_HINT}")
        info = cms.ContentInfo.load(raw, strict=True)
        if info["content_type"].native != "signed_data":
            raise Unobservable(f"the signature file holds {info['content_type'].native}, and no signed data; {_HINT}")
        signed = info["content"]
        signers = list(signed["signer_infos"])
        if len(signers) != 1:
            raise Unobservable(f"the signature is by {len(signers)} signers, and only one by one signer is understood")
        return _signature(signers[0], _certificates(signed), signed["encap_content_info"]["content_type"].native)


def _certificates(signed: Any) -> tuple[x509.Certificate, ...]:
    found = signed["certificates"] if signed["certificates"].contents else ()
    return tuple(x509.load_der_x509_certificate(one.chosen.dump()) for one in found if one.name == "certificate")


def _signature(one: Any, certificates: tuple[x509.Certificate, ...], content_type: str) -> CmsSignature:
    sid = one["sid"]
    by_issuer = sid.name == "issuer_and_serial_number"
    how = one["signature_algorithm"]
    algorithm = how.signature_algo
    attributes = one["signed_attrs"]
    held = attributes.untag().dump() if attributes.contents else b""
    digest = one["digest_algorithm"]["algorithm"].native
    pss = algorithm == "rsassa_pss"
    if pss and how["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native != how.hash_algo:
        raise Unobservable("signatures whose mask is made with another digest are not understood")
    # Of a signature with a bare key's algorithm, the digest's own algorithm is the one that was signed with.
    bare = how["algorithm"].native in {"rsassa_pkcs1v15", "ed25519", "ed448"}
    return CmsSignature(
        certificates=certificates,
        issuer=sid.chosen["issuer"].dump() if by_issuer else b"",
        serial=sid.chosen["serial_number"].native if by_issuer else 0,
        key_identifier=b"" if by_issuer else bytes(sid.chosen.native),
        digest=digest,
        algorithm=algorithm,
        signed_hash=digest if bare else how.hash_algo,
        salt_length=how["parameters"]["salt_length"].native if pss else 0,
        attributes=held,
        content_type=(_only(attributes, "content_type") or "") if held else content_type,
        message_digest=(_only(attributes, "message_digest") or b"") if held else b"",
        made_at=_only(attributes, "signing_time") if held else None,
        value=bytes(one["signature"].native),
    )


def _only(attributes: Any, kind: str) -> Any:
    """The one value of an attribute, None where there is none; raises Unobservable where there are more."""
    values = [value.native for one in attributes if one["type"].native == kind for value in one["values"]]
    if len(values) > 1:
        raise Unobservable(f"the signature has {len(values)} values of {kind.replace('_', ' ')}")
    return values[0] if values else None


def verifies_cms(signature: CmsSignature, certificate: x509.Certificate, content: bytes) -> str:
    """Empty when it is a signature of `content` by that certificate's key, else why not; raises Unobservable for what is not understood."""
    for name in (signature.digest, signature.signed_hash):
        if name in _WEAK:
            return f"it is made with {name.upper()}, which is weak"
        if name not in _HASHES:
            raise Unobservable(f"signatures over {name!r} are not understood")
    if signature.content_type != "data":
        return f"it is one of {signature.content_type or 'nothing'}, and not of a file"
    forms = tuple(dict.fromkeys((content, _as_mail(content))))
    if not signature.attributes:
        why = [_verifies(signature, certificate, form) for form in forms]
        return "" if "" in why else why[0]
    digests = [hashlib.new(signature.digest, form).digest() for form in forms]
    if not any(hmac.compare_digest(one, signature.message_digest) for one in digests):
        return "it is no signature of this file"
    return _verifies(signature, certificate, signature.attributes)


def _verifies(signature: CmsSignature, certificate: x509.Certificate, message: bytes) -> str:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unobservable("the signer's key is of a kind that is not understood") from None
    digest, algorithm = _HASHES[signature.signed_hash], signature.algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
            return f"it is made with an RSA key of {key.key_size} bits"
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "rsassa_pkcs1v15":
            key.verify(signature.value, message, padding.PKCS1v15(), digest)
        elif isinstance(key, rsa.RSAPublicKey) and algorithm == "rsassa_pss":
            key.verify(signature.value, message, padding.PSS(padding.MGF1(digest), signature.salt_length), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "ecdsa":
            key.verify(signature.value, message, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) and algorithm in {"ed25519", "ed448"}:
            key.verify(signature.value, message)
        else:
            raise Unobservable(f"signatures {algorithm!r} by a {type(key).__name__} cannot be verified")
    except InvalidSignature:
        return "it is no signature of this file by its certificate's key"
    return ""


def _as_mail(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
