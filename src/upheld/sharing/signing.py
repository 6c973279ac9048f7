"""The signature in a PDF (PAdES, by pyHanko), with the key that signs the share, and what a reader finds of it.

The certificate in it is the issuer's, or else one that the key gives itself: whoever verifies pins the key, and a PDF viewer shows
what it knows of the certificate. Import this late, for pyHanko takes its time.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from asn1crypto import cms  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.validation import EmbeddedPdfSignature, SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from upheld.errors import InputError, Mistake
from upheld.evidence.container import Damaged
from upheld.evidence.keys import Issuer, SigningKey, fingerprint
from upheld.sharing.view import View

FIELD = "Issuer"
_MOST_ECDSA = 72
"""Bytes that a signature by a P-256 key has at the most."""
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def certificates(data: bytes, key: SigningKey, name: str) -> tuple[x509.Certificate, ...]:
    """The certificate of the key and those that lead to its authority, in PEM; raises InputError where the first is of another key."""
    try:
        found = tuple(x509.load_pem_x509_certificates(data))
    except ValueError:
        expected = "certificates in PEM, that of the key first"
        raise InputError([Mistake(name, 0, 0, "holds no certificate", expected=expected)]) from None
    if fingerprint(found[0].public_key()) != key.fingerprint:  # type: ignore[arg-type]  # every public key has the like
        raise InputError([Mistake(name, 0, 0, "the first certificate is not one of the key that signs")])
    return found


def own_certificate(key: SigningKey, start: datetime, end: datetime) -> x509.Certificate:
    """A certificate that the key gives itself, good from `start` to `end`; the same for the same key and days."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Issuer of evidence, key {key.fingerprint[:16]}")])
    usage = {name: name in {"digital_signature", "content_commitment"} for name in _USAGES}
    number = hashlib.sha256(f"{key.fingerprint} {start} {end}".encode()).digest()[:15]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.private.public_key())
        .serial_number(int.from_bytes(number, "big") | 1)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if isinstance(key.private, Ed25519PrivateKey):
        return builder.sign(key.private, None)
    return builder.sign(key.private, hashes.SHA256(), ecdsa_deterministic=True)


def sign(pdf: bytes, view: View, key: SigningKey, chain: Sequence[x509.Certificate] = ()) -> bytes:
    """The PDF with a signature of the key over all of it, after which nothing may be changed; the same for the same bytes and key."""
    day, end = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (view.shared, view.expires))
    chain = chain or (own_certificate(key, day, end.replace(hour=23, minute=59, second=59)),)
    meta = signers.PdfSignatureMetadata(
        field_name=FIELD,
        # Ed25519 goes with SHA-512 in a CMS (RFC 8419 §3.1).
        md_algorithm="sha512" if isinstance(key.private, Ed25519PrivateKey) else "sha256",
        reason=f"Evidence for {view.audience}",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    writer = _Writer(io.BytesIO(pdf))
    signed: io.BytesIO = _PdfSigner(meta, signer=_Signer(key, chain), moment=day).sign_pdf(writer)
    return signed.getvalue()


def verified(data: bytes, issuers: Sequence[Issuer]) -> tuple[str, Issuer]:
    """In words that the one signature is good and over the whole file, and whose it is; raises Damaged where it is not so."""
    try:
        found = list(PdfFileReader(io.BytesIO(data)).embedded_signatures)
        if len(found) != 1:
            raise Damaged(f"the PDF has {len(found)} signatures, and a share has one")
        certificate = found[0].signer_cert
        public = x509.load_der_x509_certificate(certificate.dump()).public_key()
        issuer = next((one for one in issuers if one.fingerprint == fingerprint(public)), None)  # type: ignore[arg-type]
        if issuer is None:
            raise Damaged("the PDF is not signed with a key that you named")
        # Whom the certificate is by says nothing here: the key is pinned.
        context = ValidationContext(trust_roots=[certificate], allow_fetching=False)
        status = validate_pdf_signature(found[0], signer_validation_context=context)
        whole = found[0].coverage == SignatureCoverageLevel.ENTIRE_FILE and _bound(found[0])
    except Damaged:
        raise
    except Exception as error:  # Whatever a broken file makes of the parser: it is not what was signed.
        raise Damaged(f"the PDF or its signature cannot be read: {type(error).__name__}") from error
    if not (status.intact and status.valid and status.docmdp_ok and whole):
        raise Damaged("the signature in the PDF is not one over this whole file")
    return "the PDF is signed with the key that you named, over the whole file", issuer


def _bound(signature: EmbeddedPdfSignature) -> bool:
    """Whether what stands in the gap of the signature is what it is over too, or could be nothing else.

    The signature is not over itself: neither over the certificate beside it, but for its hash, nor over the room that is left.
    Certificates above that one lead up from it, each signed by the next.
    """
    raw, signed, certificate = signature.pkcs7_content, signature.signed_data, signature.signer_cert
    outer = cms.ContentInfo.load(raw)
    rest = raw[len(outer.dump()) :]
    inner = outer["content_type"].dump() + outer["content"].dump()
    (signer,) = signed["signer_infos"]
    identity = signer["sid"].chosen
    (named,) = [one["values"] for one in signer["signed_attrs"] if one["type"].native == "signing_certificate_v2"]
    (first, *_) = named[0]["certs"]
    digest = first["hash_algorithm"]["algorithm"].native
    below = certificate.dump()
    others = {one.chosen.dump() for one in signed["certificates"]} - {below}
    while others:
        issued = x509.load_der_x509_certificate(below)
        above = next(one for one in others if x509.load_der_x509_certificate(one).subject == issued.issuer)
        issued.verify_directly_issued_by(x509.load_der_x509_certificate(above))
        others.remove(above)
        below = above
    last = x509.load_der_x509_certificate(below)
    if last.subject == last.issuer:
        last.verify_directly_issued_by(last)
    return (
        not rest.strip(b"\0")
        and inner == outer.contents
        and (signed["version"].native, signer["version"].native) == ("v1", "v1")
        and [one.dump() for one in signed["digest_algorithms"]] == [signer["digest_algorithm"].dump()]
        and signed["encap_content_info"]["content_type"].native == "data"
        and signed["encap_content_info"]["content"].native is None
        and signed["crls"].native is None
        and signer["unsigned_attrs"].native is None
        and identity["issuer"].dump() == certificate.issuer.dump()
        and identity["serial_number"].native == certificate.serial_number
        and first["cert_hash"].native == hashlib.new(digest, certificate.dump()).digest()
    )


def attached(data: bytes, name: str) -> bytes:
    """The file of that name in a PDF; raises Damaged where there is not exactly one."""
    try:
        names = PdfFileReader(io.BytesIO(data)).root["/Names"]["/EmbeddedFiles"]["/Names"]
        found = [
            bytes(names[place + 1]["/EF"]["/F"].data)
            for place in range(0, len(names), 2)
            if str(names[place]).lstrip("/") == name
        ]
    except Exception as error:  # As above.
        raise Damaged(f"the PDF has no machine-readable part that can be read: {type(error).__name__}") from error
    if len(found) != 1:
        raise Damaged("the PDF has no machine-readable part, or more than one")
    return found[0]


class _Writer(IncrementalPdfFileWriter):
    """Adds to a PDF and leaves its metadata as they are, which PDF/A wants the same in both places; its identity follows from its content."""

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        first, _ = prev.trailer["/ID"]
        prev.stream.seek(0)
        second = hashlib.sha256(prev.stream.read()).digest()[:16]
        return generic.ArrayObject([first, generic.ByteStringObject(second)])

    def _update_meta(self) -> None:
        pass


class _PdfSigner(signers.PdfSigner):
    """Dates the signature to the day of the share."""

    def __init__(self, meta: signers.PdfSignatureMetadata, *, signer: signers.Signer, moment: datetime) -> None:
        super().__init__(meta, signer=signer)
        self._moment = moment

    def init_signing_session(self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False) -> PdfSigningSession:
        """A session at that moment."""
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self._moment
        return session


class _Signer(signers.Signer):
    """Signs with our key, always alike."""

    def __init__(self, key: SigningKey, chain: Sequence[x509.Certificate]) -> None:
        first, *others = (asn1.Certificate.load(one.public_bytes(Encoding.DER)) for one in chain)
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        registry.register_multiple(others)
        super().__init__(signing_cert=first, cert_registry=registry)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002
        """The signature of `data`, or as many bytes as one may have."""
        return b"\0" * _MOST_ECDSA if dry_run else self._key.sign(data)
