"""Certificates of persons who sign: who issued them up to a declared authority, for whom, for what, and which were taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from upheld.errors import Unobservable
from upheld.probes.cms import SMALLEST_RSA

_LONGEST = 8
_BEGIN = b"-----BEGIN "
_FOR_DOCUMENTS = {
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # id-kp-documentSigning, RFC 9336
    x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # the same before there was a standard
}
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
_WEAK = {"md5", "sha1", "sha224"}


@dataclass(frozen=True)
class Path:
    """From the signer's certificate to the authority's, which is declared; where there is no such way, `why_not` and no certificate."""

    certificates: tuple[x509.Certificate, ...] = ()
    why_not: str = ""


@dataclass(frozen=True)
class Revocation:
    """Whether a certificate of a path was taken back (None: none was), and until when the lists that say so are good."""

    revoked_at: datetime | None
    known_until: datetime | None


def read_certificates(raw: bytes, what: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file; raises Unobservable where it holds none."""
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise Unobservable(f"{what} holds no certificates in PEM that can be read") from None
    return tuple(found)


def path_to(
    signer: x509.Certificate, others: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]
) -> Path:
    """The way from the signer's certificate over `others` to one of the authorities; raises Unobservable for what is not understood."""
    if signer in authorities:
        return Path((signer,))
    ways: list[tuple[x509.Certificate, ...]] = [(signer,)]
    why_not = ""
    for way in ways:
        last = way[-1]
        named = [one for one in (*authorities, *others) if one.subject == last.issuer and one not in way]
        if not named and not why_not:
            why_not = f"is issued by {_shown(last.issuer)}, which is none of the declared authorities"
        for issuer in dict.fromkeys(named):
            if flaw := _not_issued(last, issuer, below=len(way) - 1):
                why_not = flaw
            elif issuer in authorities:
                found = (*way, issuer)
                _understood(found)
                return Path(found)
            elif len(way) < _LONGEST:
                ways.append((*way, issuer))
    return Path(why_not=f"its certificate {why_not}")


def unfit(signer: x509.Certificate, *, declared: bool) -> str:
    """Why a certificate is none to sign documents with; empty when it is. `declared`: it stands among the authorities itself."""
    usage, purposes, basic = _extensions(signer)
    if basic is not None and basic.ca and not declared:
        return "its certificate is an authority's, and no person's"
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        return "its certificate is not for signatures (key usage)"
    if purposes is not None and not _FOR_DOCUMENTS & set(purposes):
        return "its certificate is not for signing mail or documents (extended key usage)"
    return ""


def speaks_for(signer: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for somebody: an e-mail address in it, or its subject as RFC 4514 writes it."""
    return bool(name) and (name.casefold() in _addresses(signer) or _same_subject(signer.subject, name))


def same_name(one: str, other: str) -> bool:
    """Whether two names, addresses or subjects, are of the same person."""
    try:
        return one.casefold() == other.casefold() or _same_subject(x509.Name.from_rfc4514_string(one), other)
    except ValueError:
        return False


def shown(certificate: x509.Certificate) -> str:
    """The subject of a certificate."""
    return _shown(certificate.subject)


def revocation(raw: bytes, path: Sequence[x509.Certificate]) -> Revocation:
    """What the revocation lists in a PEM file say of the path; raises Unobservable where one is missing or is not understood."""
    lists = _lists(raw)
    revoked: list[datetime] = []
    until: list[datetime] = []
    for one, issuer in pairwise(path):
        mine = [each for each in lists if each.issuer == one.issuer and _is_by(each, issuer)]
        if not mine:
            raise Unobservable(f"there is no revocation list by {_shown(one.issuer)}")
        newest = max(mine, key=lambda each: each.last_update_utc)
        if any(each.critical for each in newest.extensions):
            raise Unobservable(
                f"the revocation list by {_shown(one.issuer)} is for a part only, which is not understood"
            )
        if newest.next_update_utc is None:
            # RFC 5280 §5.1.2.5 demands it; without it a list of long ago could never be told from a new one.
            raise Unobservable(f"the revocation list by {_shown(one.issuer)} does not say until when it is good")
        until.append(newest.next_update_utc)
        entry = newest.get_revoked_certificate_by_serial_number(one.serial_number)
        if entry is not None:
            revoked.append(entry.revocation_date_utc)
    return Revocation(min(revoked, default=None), min(until, default=None))


def _lists(raw: bytes) -> list[x509.CertificateRevocationList]:
    parts = [_BEGIN + part for part in raw.split(_BEGIN)[1:]]
    try:
        return [x509.load_pem_x509_crl(part) for part in parts]
    except ValueError:
        raise Unobservable("the file of revocation lists holds none in PEM that can be read") from None


def _is_by(one: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _not_issued(one: x509.Certificate, issuer: x509.Certificate, below: int) -> str:
    """Why the certificate that bears the issuer's name did not issue this one with a right to; `below`: authorities between."""
    name = _shown(issuer.subject)
    usage, _, basic = _extensions(issuer)
    key = issuer.public_key()
    if basic is None or not basic.ca or (usage is not None and not usage.key_cert_sign):
        return f"is issued by {name}, which is no authority"
    if basic.path_length is not None and below > basic.path_length:
        return f"is issued by an authority below {name}, which may have none (path length)"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        return f"is issued by {name} with an RSA key of {key.key_size} bits"
    try:
        if one.signature_hash_algorithm is not None and one.signature_hash_algorithm.name in _WEAK:
            return f"is issued by {name} with {one.signature_hash_algorithm.name.upper()}, which is weak"
        one.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return f"bears the name of {name} as its issuer, but is not signed by it"
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise Unobservable(f"whether {name} issued the certificate cannot be told: {error}") from error
    return ""


def _understood(path: Sequence[x509.Certificate]) -> None:
    """Raise Unobservable where a certificate of the path is limited in a way that is not understood."""
    for one in path:
        for each in one.extensions:
            limits = each.critical or each.oid == ExtensionOID.NAME_CONSTRAINTS
            if limits and each.oid not in _UNDERSTOOD:
                name = getattr(each.oid, "_name", each.oid.dotted_string)
                raise Unobservable(
                    f"the certificate of {_shown(one.subject)} is limited by {name}, which is not understood"
                )


def _extensions(
    one: x509.Certificate,
) -> tuple[x509.KeyUsage | None, x509.ExtendedKeyUsage | None, x509.BasicConstraints | None]:
    try:
        held = [each.value for each in one.extensions]
    except ValueError as error:
        raise Unobservable(f"the certificate of {_shown(one.subject)} cannot be read: {error}") from error
    return (
        next((each for each in held if isinstance(each, x509.KeyUsage)), None),
        next((each for each in held if isinstance(each, x509.ExtendedKeyUsage)), None),
        next((each for each in held if isinstance(each, x509.BasicConstraints)), None),
    )


def _addresses(one: x509.Certificate) -> set[str]:
    """The e-mail addresses of a certificate: in its alternative names, or, where those have none, in its subject."""
    held = [each.value for each in one.extensions if isinstance(each.value, x509.SubjectAlternativeName)]
    named = [address for names in held for address in names.get_values_for_type(x509.RFC822Name)]
    named = named or [str(each.value) for each in one.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
    return {address.casefold() for address in named}


def _same_subject(subject: x509.Name, text: str) -> bool:
    try:
        wanted = x509.Name.from_rfc4514_string(text)
    except ValueError:
        return False
    return bool(list(wanted)) and [(each.oid, str(each.value).casefold()) for each in subject] == [
        (each.oid, str(each.value).casefold()) for each in wanted
    ]


def _shown(name: x509.Name) -> str:
    return name.rfc4514_string() or "nobody"
