"""Statements signed with X.509 certificates: by openssl itself, and what openssl says of the same signatures."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.attestations import Attestations
from upheld.probes.base import Session
from upheld.probes.clock import Clock
from upheld.target.registers import Attestations as Description

from ..stopped_clock import stop

CHECK = Catalogue.load(Path(__file__).parents[2] / "checks")["attestations.statement_is_signed_and_in_force"].function
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0) + DAY
"""When all is judged: a day ahead, because openssl signs by its own clock, and a test may run long after this line."""
USAGE: dict[str, bool] = dict.fromkeys(
    [
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ],
    False,
)
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ex"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


class Holder:
    """A certificate with its key; without an issuer it is an authority that issued its own."""

    def __init__(
        self,
        common: str,
        issuer: Holder | None = None,
        *,
        email: str = "",
        ca: bool = False,
        path_length: int | None = None,
        usage: tuple[str, ...] | None = None,
        purposes: tuple[x509.ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
        days: tuple[float, float] = (-200, 400),
        key: Any = None,
        more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        ca = ca or issuer is None
        by = issuer or self
        self.name = name(common)
        made = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(by.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + days[0] * DAY)
            .not_valid_after(NOW + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        )
        used = usage if usage is not None else (("key_cert_sign", "crl_sign") if ca else ("digital_signature",))
        if used:
            made = made.add_extension(x509.KeyUsage(**{**USAGE, **dict.fromkeys(used, True)}), critical=True)
        if email:
            made = made.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=False)
        if purposes and not ca:
            made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        for extension, critical in more:
            made = made.add_extension(extension, critical)
        signing = None if isinstance(by.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.certificate = made.sign(by.key, signing)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def list_of(self, *revoked: Holder, days: tuple[float, float] = (-1, 7)) -> bytes:
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        made = made.last_update(NOW + days[0] * DAY).next_update(NOW + days[1] * DAY)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            made = made.add_revoked_certificate(entry.revocation_date(NOW - 2 * DAY).build())
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def endless(authority: Holder) -> bytes:
    """A revocation list that does not say until when it is good, which libraries refuse to make."""
    made = crl.CertificateList.load(x509.load_pem_x509_crl(authority.list_of()).public_bytes(Encoding.DER))
    del made["tbs_cert_list"]["next_update"]
    made["signature"] = authority.key.sign(made["tbs_cert_list"].dump(force=True), ec.ECDSA(hashes.SHA256()))
    found = x509.load_der_x509_crl(made.dump(force=True))
    assert found.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
    assert found.next_update_utc is None
    return found.public_bytes(Encoding.PEM)


ROOT = Holder("Root", path_length=1)
OFFICE = Holder("Office", ROOT, ca=True, path_length=0)
ANNA = Holder("Anna Ek", OFFICE, email="Anna@example.com")
DIRECT = Holder("Anna Ek", ROOT, email="anna@example.com")


class Desk:
    """A statement that openssl signs, and what the target says of it."""

    def __init__(self, session_of: Callable[..., Session], folder: Path) -> None:
        self.session_of = session_of
        self.folder = folder / "signed"
        self.folder.mkdir()
        (self.folder / "terms.md").write_text("terms")
        self.statement: dict[str, Any] = {
            "claim": "no-sale",
            "statement": "We sell nothing.",
            "signer": {"name": "Anna Ek", "email": "anna@example.com"},
            "signed_at": (NOW - DAY).isoformat(),
            "expires_at": (NOW + 300 * DAY).isoformat(),
            "documents": [{"path": "terms.md", "sha256": hashlib.sha256(b"terms").hexdigest()}],
        }
        self.certificates: dict[str, Any] = {
            "authorities": "authorities.pem",
            "signers": {"anna@example.com": ["no-sale"]},
        }
        self.file, self.signature = self.folder / "no-sale.yaml", self.folder / "no-sale.yaml.p7s"
        (self.folder / "authorities.pem").write_bytes(ROOT.pem)

    def sign(self, by: Holder = ANNA, *options: str, others: tuple[Holder, ...] = (OFFICE,), form: str = "PEM") -> None:
        self.file.write_bytes(json.dumps(self.statement, indent=1).encode() + b"\n")
        key, mine, chain = (self.folder.parent / one for one in ("key.pem", "mine.pem", "chain.pem"))
        key.write_bytes(by.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        mine.write_bytes(by.pem)
        chain.write_bytes(b"".join(one.pem for one in others))
        command = ["openssl", "cms", "-sign", "-outform", form, "-in", self.file, "-signer", mine, "-inkey", key]
        more = ["-certfile", chain] if others else []
        binary = [] if "-text-ends" in options else ["-binary"]
        given = [one for one in options if one != "-text-ends"]
        subprocess.run(
            [*command, *more, *binary, *given, "-out", self.signature], check=True, capture_output=True, timeout=60
        )

    def openssl_verifies(self, *options: str) -> bool:
        """What `openssl cms -verify` says of the same files at the same time."""
        command = [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "PEM",
            "-in",
            self.signature,
            "-content",
            self.file,
        ]
        more = ["-CAfile", self.folder / "authorities.pem", "-attime", str(int(NOW.timestamp())), *options]
        done = subprocess.run([*command, *more, "-out", "/dev/null"], capture_output=True, check=False, timeout=60)
        return done.returncode == 0

    def judge(self, now: datetime = NOW) -> dict[str, Any]:
        statements = {"no-sale": {"file": "no-sale.yaml", "format": "x509"}}
        described = {"folder": "signed", "certificates": self.certificates, "statements": statements}
        session = self.session_of(attestations=described)
        session.policy_sentences = {"no-sale": ("We sell nothing",)}
        clock: Any = session.probe(Clock)
        stop(clock, now)
        found = CHECK(session.probe(Attestations), clock, claim="no-sale")
        return {str(one.subject).partition(" ")[0]: one for one in found}

    def why(self) -> str:
        """What refutes the signature; empty when nothing does, and then nothing else is refuted either."""
        found = self.judge()
        assert all(isinstance(one, Finding) for one in found.values()), found
        assert all(one.passed for subject, one in found.items() if subject != "signature")
        return "" if found["signature"].passed else str(found["signature"].observed)


@pytest.fixture
def desk(session_of: Callable[..., Session], tmp_path: Path) -> Desk:
    return Desk(session_of, tmp_path)


def key_of(kind: str) -> Any:
    made: dict[str, Callable[[], Any]] = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "weak": lambda: rsa.generate_private_key(65537, 1024),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    }
    return made[kind]()


def test_a_statement_signed_by_openssl_is_good_to_both(desk: Desk) -> None:
    desk.sign()
    assert desk.openssl_verifies("-purpose", "smimesign")
    assert desk.why() == ""
    assert "verifies with SHA256:" in desk.judge()["signature"].observed
    assert "CN=Anna Ek" in desk.judge()["signature"].observed


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("rsa", ()),
        ("rsa", ("-keyopt", "rsa_padding_mode:pss")),
        ("rsa", ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20", "-md", "sha512")),
        ("p384", ("-md", "sha384")),
        ("p384", ("-noattr",)),
        ("p384", ("-keyid",)),
        ("p384", ("-text-ends",)),
        ("p384", ("-text-ends", "-noattr")),
        ("p384", ("-nodetach",)),
    ],
    ids=lambda one: one if isinstance(one, str) else "".join(one),
)
def test_other_keys_and_forms_are_good_too_and_for_this_file_only(
    desk: Desk, kind: str, options: tuple[str, ...]
) -> None:
    desk.sign(Holder("Anna Ek", ROOT, email="anna@example.com", key=key_of(kind)), *options, others=())
    assert desk.why() == ""
    desk.file.write_bytes(desk.file.read_bytes().replace(b"}\n", b"} \n"))
    assert desk.why().startswith("it is no signature of this file")


def test_der_and_certificates_beside_the_signature(desk: Desk) -> None:
    desk.sign(ANNA, others=(), form="DER")
    assert "issued by CN=Office,O=Ex, which is none of the declared authorities" in desk.why()
    (desk.folder / "between.pem").write_bytes(OFFICE.pem)
    desk.certificates["intermediates"] = "between.pem"
    assert desk.why() == ""
    desk.sign(ANNA, "-nocerts", others=())
    with pytest.raises(Unobservable, match="certificate is neither in the signature nor among"):
        desk.judge()
    (desk.folder / "between.pem").write_bytes(OFFICE.pem + ANNA.pem)
    assert desk.why() == ""


def test_a_changed_statement_is_refuted_by_both(desk: Desk) -> None:
    desk.sign()
    desk.file.write_bytes(desk.file.read_bytes().replace(b"Anna", b"Anne"))
    assert not desk.openssl_verifies()
    assert desk.why() == "it is no signature of this file"
    other = desk.signature.read_bytes()
    desk.statement["note"] = "of another statement"
    desk.sign()
    desk.signature.write_bytes(other)
    assert not desk.openssl_verifies()
    assert desk.why() == "it is no signature of this file"


OTHER_ROOT = Holder("Root", path_length=1)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
REFUSED: dict[str, tuple[Holder, tuple[Holder, ...], str]] = {
    "self-made": (Holder("Anna Ek", Holder("Mine"), email="anna@example.com"), (), "issued by CN=Mine,O=Ex, which is none of"),
    "same name": (Holder("Anna Ek", OTHER_ROOT, email="anna@example.com"), (OTHER_ROOT,), "but is not signed by it"),
    "expired": (Holder("Anna Ek", ROOT, email="anna@example.com", days=(-300, -0.5)), (), "is not valid at"),
    "not yet": (Holder("Anna Ek", ROOT, email="anna@example.com", days=(1, 300)), (), "is not valid at"),
    "issuer expired": (
        Holder("Anna Ek", old := Holder("Office", ROOT, ca=True, days=(-300, -0.5)), email="anna@example.com"),
        (old,),
        "is not valid at",
    ),
    "no authority": (Holder("Anna Ek", DIRECT, email="anna@example.com"), (DIRECT,), "issued by CN=Anna Ek,O=Ex, which is no authority"),
    "too long": (
        Holder("Anna Ek", deep := Holder("Deep", OFFICE, ca=True), email="anna@example.com"),
        (deep, OFFICE),
        "which may have none (path length)",
    ),
    "for servers": (Holder("Anna Ek", ROOT, email="anna@example.com", purposes=SERVER), (), "(extended key usage)"),
    "for keys": (Holder("Anna Ek", ROOT, email="anna@example.com", usage=("key_encipherment",)), (), "(key usage)"),
    "authority": (Holder("Anna Ek", ROOT, email="anna@example.com", ca=True), (), "is an authority's, and no person's"),
    "short key": (Holder("Anna Ek", ROOT, email="anna@example.com", key=key_of("weak")), (), "RSA key of 1024 bits"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_certificates_that_do_not_count_are_refuted_by_both(desk: Desk, case: str) -> None:
    by, others, words = REFUSED[case]
    desk.sign(by, others=others)
    assert words in desk.why()
    if case != "short key":  # openssl's own level of security lets these through here and there.
        assert not desk.openssl_verifies("-purpose", "smimesign")


def test_only_who_is_named_may_sign(desk: Desk) -> None:
    desk.sign(Holder("Ben", ROOT, email="ben@example.com"), others=())
    assert desk.why() == "its certificate is CN=Ben,O=Ex's, and not for anna@example.com"
    desk.statement["signer"]["email"] = "ben@example.com"
    desk.sign(Holder("Ben", ROOT, email="ben@example.com"), others=())
    assert desk.openssl_verifies("-purpose", "smimesign"), "to openssl everybody of the authority may sign"
    assert desk.why().startswith("ben@example.com is not among those who may sign for no-sale")
    desk.certificates["signers"]["ben@example.com"] = ["another-claim"]
    assert desk.why().startswith("ben@example.com is not among those who may sign for no-sale")
    desk.certificates["signers"]["ben@example.com"] = ["*"]
    assert desk.why() == ""
    desk.statement["signer"] = {"name": "nobody"}
    desk.sign(Holder("Ben", ROOT, email="ben@example.com"), others=())
    assert "and not for nobody" in desk.why()


def test_a_signer_may_be_known_by_the_subject(desk: Desk) -> None:
    desk.statement["signer"] = {"subject": "CN=Anna Ek,O=Ex"}
    desk.certificates["signers"] = {"cn=anna ek,o=ex": ["no-sale"]}
    desk.sign(Holder("Anna Ek", ROOT), others=())
    assert desk.why() == ""
    desk.certificates["signers"] = {"CN=Anna Ek,O=Why": ["no-sale"]}
    assert "is not among those who may sign" in desk.why()


def test_a_person_s_own_certificate_may_be_declared(desk: Desk) -> None:
    alone = Holder("Anna Ek", email="anna@example.com", usage=())
    desk.sign(alone, others=())
    assert "none of the declared authorities" in desk.why()
    (desk.folder / "authorities.pem").write_bytes(ROOT.pem + alone.pem)
    assert desk.why() == ""


def test_a_certificate_must_have_been_valid_when_it_is_said_to_have_signed(desk: Desk) -> None:
    desk.statement["signed_at"] = (NOW - 250 * DAY).isoformat()
    desk.statement["expires_at"] = (NOW + 50 * DAY).isoformat()
    desk.sign()
    assert "is not valid at" in desk.why()


def test_a_signature_of_a_time_that_is_still_to_come_is_refuted(desk: Desk) -> None:
    desk.statement["signed_at"] = (NOW - 20 * DAY).isoformat()
    desk.sign()
    before = desk.judge(NOW - 10 * DAY)
    assert {subject: one.passed for subject, one in before.items()} == {
        "signature": False, "term": True, "words": True, "document": True,
    }  # fmt: skip
    assert "which is still to come" in before["signature"].observed
    assert desk.why() == ""


def test_revoked_certificates_are_refuted(desk: Desk) -> None:
    desk.certificates["revocation_lists"] = "revoked.pem"
    lists = desk.folder / "revoked.pem"
    desk.sign()
    lists.write_bytes(ROOT.list_of() + OFFICE.list_of(DIRECT))
    assert desk.why() == ""
    lists.write_bytes(ROOT.list_of() + OFFICE.list_of(ANNA))
    assert "was revoked on" in desk.why()
    assert not desk.openssl_verifies("-CRLfile", str(lists), "-crl_check_all")
    lists.write_bytes(ROOT.list_of(OFFICE) + OFFICE.list_of())
    assert "was revoked on" in desk.why()
    lists.write_bytes(ROOT.list_of() + OFFICE.list_of(days=(-9, -1)))
    late = desk.judge()["signature"]
    assert isinstance(late, NotObserved)
    assert "the revocation lists were good until" in late.reason
    for content in (
        ROOT.list_of() + endless(OFFICE),
        ROOT.list_of(),
        ROOT.list_of() + Holder("Office").list_of(),
        b"",
        ROOT.pem,
    ):
        lists.write_bytes(content)
        with pytest.raises(Unobservable):
            desk.judge()


def test_without_a_signature_there_is_none(desk: Desk) -> None:
    desk.sign()
    desk.signature.unlink()
    assert desk.why() == "there is no signature"


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"\x30\x03\x02\x01\x00", b"-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n", "cut", "cms data", "pem", "smime"],
)  # fmt: skip
def test_what_is_no_signature_that_is_understood_decides_nothing(desk: Desk, content: Any) -> None:
    desk.sign(form="DER" if content == "cut" else "SMIME" if content == "smime" else "PEM")
    if content == "cut":
        content = desk.signature.read_bytes()[:-40]
    elif content == "cms data":
        made = subprocess.run(
            ["openssl", "cms", "-data_create", "-in", desk.file, "-outform", "DER"], capture_output=True, check=True
        )
        content = made.stdout
    elif content == "pem":
        content = ROOT.pem
    elif content == "smime":
        content = desk.signature.read_bytes()
    desk.signature.write_bytes(content)
    with pytest.raises(Unobservable):
        desk.judge()


def test_what_is_limited_in_other_ways_or_cannot_be_read_decides_nothing(desk: Desk) -> None:
    within = (x509.NameConstraints([x509.RFC822Name("example.org")], None), True)
    narrow = Holder("Narrow", ROOT, ca=True, more=(within,))
    desk.sign(Holder("Anna Ek", narrow, email="anna@example.com"), others=(narrow,))
    with pytest.raises(Unobservable, match="limited by nameConstraints"):
        desk.judge()
    desk.sign()
    for content in (b"", b"nonsense"):
        (desk.folder / "authorities.pem").write_bytes(content)
        with pytest.raises(Unobservable, match=r"authorities\.pem holds no certificates"):
            desk.judge()


def test_weak_digests_are_none(desk: Desk) -> None:
    desk.sign(ANNA, "-md", "sha1")
    assert "SHA1, which is weak" in desk.why()


def test_two_signers_are_not_understood(desk: Desk) -> None:
    desk.sign()
    first = desk.folder.parent / "first.p7s"
    desk.signature.rename(first)
    desk.sign(DIRECT, others=())
    mine = ["-signer", desk.folder.parent / "mine.pem", "-inkey", desk.folder.parent / "key.pem"]
    command = ["openssl", "cms", "-resign", "-inform", "PEM", "-outform", "PEM", "-in", first, *mine]
    subprocess.run([*command, "-out", desk.signature], check=True, capture_output=True)
    with pytest.raises(Unobservable, match="by 2 signers"):
        desk.judge()


def test_without_the_library_nothing_is_seen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sign()
    monkeypatch.setitem(sys.modules, "asn1crypto", None)
    with pytest.raises(Unobservable, match="pip install"):
        desk.judge()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"statements": {"a": {"file": "a.yaml"}}, "allowed_signers": "s"}, "needs its namespace"),
        ({"statements": {"a": {"file": "a.yaml", "namespace": "n"}}}, "need allowed_signers"),
        ({"statements": {"a": {"file": "a.yaml", "format": "x509"}}}, "need certificates"),
        ({"statements": {"a": {"file": "a.yaml", "format": "x509", "namespace": "n"}}}, "have no namespace"),
    ],
)
def test_a_description_that_lacks_what_it_needs_is_refused(part: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Description.model_validate({"folder": "signed", **part})
