"""Signed statements: signatures by ssh-keygen itself and by keys of every kind, allowed signers, terms, words and documents."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes import sshsig
from upheld.probes.attestations import Attestations
from upheld.probes.base import Session
from upheld.probes.clock import Clock

from ..stopped_clock import stop

CHECK = Catalogue.load(Path(__file__).parents[2] / "checks")["attestations.statement_is_signed_and_in_force"].function
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMESPACE = "no-sale@example.com"
needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


def string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def integer(number: int) -> bytes:
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


class Signer:
    """Signs as ssh-keygen does, with a key of any kind."""

    def __init__(self, key: Any, algorithm: str = "") -> None:
        self.key = key
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        self.line: str = line
        self.blob = base64.b64decode(line.split()[1])
        self.algorithm = algorithm or line.split()[0]

    def sign(self, content: bytes, namespace: str = NAMESPACE, hash_name: str = "sha512") -> str:
        digest = hashlib.new(hash_name, content).digest()
        parts = [string(namespace.encode()), string(b""), string(hash_name.encode())]
        value = self._signed(b"SSHSIG" + b"".join(parts) + string(digest))
        inner = string(string(self.algorithm.encode()) + string(value))
        blob = b"SSHSIG" + (1).to_bytes(4, "big") + string(self.blob) + b"".join(parts) + inner
        body = base64.encodebytes(blob).decode()
        return f"-----BEGIN SSH SIGNATURE-----\n{body}-----END SSH SIGNATURE-----\n"

    def _signed(self, message: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        if isinstance(self.key, rsa.RSAPrivateKey):
            kinds = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512(), "ssh-rsa": hashes.SHA1()}
            return self.key.sign(message, padding.PKCS1v15(), kinds[self.algorithm])
        kinds = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
        return b"".join(map(integer, decode_dss_signature(self.key.sign(message, ec.ECDSA(kinds[self.key.key_size])))))


KEY = Signer(ed25519.Ed25519PrivateKey.generate())
OTHER = Signer(ed25519.Ed25519PrivateKey.generate())


class Office:
    """A statement, its signature and the file of allowed signers, as a test has them."""

    def __init__(self, session_of: Callable[..., Session], folder: Path) -> None:
        self.session_of = session_of
        self.folder = folder / "signed"
        self.folder.mkdir()
        (self.folder / "terms.md").write_text("terms")
        self.statement: dict[str, Any] = {
            "claim": "no-sale",
            "statement": "We sell nothing.",
            "signer": {"name": "A", "email": "a@example.com"},
            "signed_at": "2026-06-01T10:00:00+02:00",
            "expires_at": "2027-05-31T10:00:00+02:00",
            "documents": [{"path": "terms.md", "sha256": hashlib.sha256(b"terms").hexdigest()}],
        }
        self.allowed = f'a@example.com namespaces="{NAMESPACE}" {KEY.line}\n'
        self.published: tuple[str, ...] = ("We sell nothing",)

    def write(self, signer: Signer | None = KEY, **options: Any) -> None:
        content = json.dumps(self.statement).encode()
        (self.folder / "no-sale.yaml").write_bytes(content)
        (self.folder / "allowed_signers").write_text(self.allowed)
        if signer is not None:
            (self.folder / "no-sale.yaml.sig").write_text(signer.sign(content, **options))

    def judge(self) -> dict[str, Any]:
        statements = {"no-sale": {"file": "no-sale.yaml", "namespace": NAMESPACE}}
        described = {"folder": "signed", "allowed_signers": "allowed_signers", "statements": statements}
        session = self.session_of(attestations=described)
        session.policy_sentences = {"no-sale": self.published}
        clock: Any = session.probe(Clock)
        stop(clock, NOW)
        found = CHECK(session.probe(Attestations), clock, claim="no-sale")
        return {str(one.subject).partition(" ")[0]: one for one in found}

    def refuted(self, signer: Signer | None = KEY, **options: Any) -> set[str]:
        self.write(signer, **options)
        found = self.judge()
        assert all(isinstance(one, Finding) for one in found.values()), found
        return {subject for subject, one in found.items() if not one.passed}


@pytest.fixture
def office(session_of: Callable[..., Session], tmp_path: Path) -> Office:
    return Office(session_of, tmp_path)


def test_a_statement_that_is_signed_and_in_force_is_attested(office: Office) -> None:
    assert office.refuted() == set()
    assert set(office.judge()) == {"signature", "term", "words", "document"}
    assert office.refuted(hash_name="sha256") == set()


@pytest.mark.parametrize(
    "signer",
    [
        Signer(rsa.generate_private_key(65537, 2048), "rsa-sha2-512"),
        Signer(rsa.generate_private_key(65537, 2048), "rsa-sha2-256"),
        Signer(ec.generate_private_key(ec.SECP256R1())),
        Signer(ec.generate_private_key(ec.SECP384R1())),
        Signer(ec.generate_private_key(ec.SECP521R1())),
    ],
    ids=lambda signer: signer.algorithm,
)
def test_keys_of_other_kinds_sign_too(office: Office, signer: Signer) -> None:
    office.allowed = f"a@example.com {signer.line}\n"
    assert office.refuted(signer) == set()
    changed = (office.folder / "no-sale.yaml").read_bytes() + b" "
    (office.folder / "no-sale.yaml").write_bytes(changed)
    assert not office.judge()["signature"].passed


@pytest.mark.parametrize(
    "signer",
    [
        Signer(rsa.generate_private_key(65537, 2048), "ssh-rsa"),
        Signer(rsa.generate_private_key(65537, 1024), "rsa-sha2-512"),
    ],
    ids=["SHA-1", "1024 bits"],
)
def test_weak_signatures_are_none(office: Office, signer: Signer) -> None:
    office.allowed = f"a@example.com {signer.line}\n"
    assert office.refuted(signer) == {"signature"}


def test_signatures_of_others_and_for_others_are_none(office: Office) -> None:
    assert office.refuted(None) == {"signature"}
    assert office.refuted(OTHER) == {"signature"}
    assert office.refuted(namespace="other@example.com") == {"signature"}
    office.allowed = f"a@example.com {KEY.line}\n"  # Good for every namespace, but this one was made for another.
    assert office.refuted(namespace="other@example.com") == {"signature"}
    office.statement["signer"]["email"] = "b@example.com"
    assert office.refuted() == {"signature"}


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("a@example.com,b@example.com {key} comment", True),
        ("*@example.com {key}", True),
        ("*@example.com,!a@example.com {key}", False),
        ('a@example.com namespaces="git,*@example.com" {key}', True),
        ('a@example.com namespaces="git" {key}', False),
        ('a@example.com namespaces="*,!no-sale@*" {key}', False),
        ("a@example.com cert-authority {key}", False),
        ('a@example.com valid-after="20260101",valid-before="20270101Z" {key}', True),
        ('a@example.com valid-before="20261125115959" {key}', False),
        ('a@example.com valid-after="202607010000" {key}', False),  # after it is said to be signed
        ('a@example.com VALID-AFTER="20260101" {key}', True),
        ('"a@example.com" {key}', True),
    ],
)
def test_a_line_of_allowed_signers_says_who_for_what_and_when(office: Office, line: str, allowed: bool) -> None:
    office.allowed = "# signers\n\n" + line.format(key=KEY.line) + "\n"
    assert office.refuted() == (set() if allowed else {"signature"})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# nobody",
        "a@example.com",
        "a@example.com ssh-ed25519",
        "a@example.com ssh-ed25519 AAAA!",
        "a@example.com ssh-rsa {blob}",
        "a@example.com verify-required {key}",
        'a@example.com valid-before="tomorrow" {key}',
        'a@example.com namespaces="open {key}',
        "a@example.com namespaces=bare {key}",
    ],
)
def test_allowed_signers_that_are_not_understood_decide_nothing(office: Office, line: str) -> None:
    office.allowed = line.format(key=KEY.line, blob=KEY.line.split()[1]) + "\n"
    office.write()
    with pytest.raises(Unobservable):
        office.judge()


@pytest.mark.parametrize(
    "signature",
    ["", "nonsense", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", "cut", "more", "longer"],
)
def test_a_signature_that_is_not_understood_decides_nothing(office: Office, signature: str) -> None:
    office.write()
    path = office.folder / "no-sale.yaml.sig"
    lines = path.read_text().splitlines()
    raw = base64.b64decode("".join(lines[1:-1]))
    changed = {"cut": raw[:-20], "more": raw + b"x", "longer": raw[:10] + b"\xff\xff" + raw[12:]}.get(signature)
    text = f"{lines[0]}\n{base64.b64encode(changed).decode()}\n{lines[-1]}" if changed else signature
    path.write_text(text)
    with pytest.raises(Unobservable):
        office.judge()


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"expires_at": "2026-11-25T12:00:00Z"}, "term"),
        ({"expires_at": "2027-06-03T10:00:00Z"}, "term"),
        ({"signed_at": "2026-11-26T12:00:00Z"}, "term"),
        ({"expires_at": None}, "term"),
        ({"statement": "We sell little."}, "words"),
        ({"claim": "no-theft"}, "words"),
        ({"documents": []}, "documents"),
        ({"documents": [{"path": "terms.md", "sha256": "00"}]}, "document"),
        ({"documents": [{"path": "terms.md"}]}, "document"),
        ({"documents": [{"path": "gone.md", "sha256": "00"}]}, "document"),
    ],
)
def test_what_is_signed_must_be_right_too(office: Office, change: dict[str, Any], subject: str) -> None:
    office.statement |= change
    assert office.refuted() == {subject}


def test_what_cannot_be_read_decides_nothing(office: Office, tmp_path: Path) -> None:
    office.statement["documents"] = [{"path": "../terms.md", "sha256": "00"}]
    office.statement["expires_at"] = "2027-05-31"
    office.write()
    (tmp_path / "terms.md").write_text("terms")
    found = office.judge()
    assert {subject for subject, one in found.items() if isinstance(one, NotObserved)} == {"statement", "term"}
    office.published = ()
    assert isinstance(office.judge()["words"], NotObserved)
    for name in ("allowed_signers", "no-sale.yaml"):
        (office.folder / name).unlink()
        with pytest.raises(Unobservable):
            office.judge()


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_signature_by_ssh_keygen_is_good(office: Office, tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "of a", "-f", key], check=True)
    office.allowed = f'a@example.com namespaces="{NAMESPACE}" {key.with_suffix(".pub").read_text()}'
    office.write(None)
    file = office.folder / "no-sale.yaml"
    sign = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", key, file]
    subprocess.run(sign, check=True, capture_output=True)
    assert office.judge()["signature"].passed


@needs_ssh_keygen
def test_ssh_keygen_agrees_with_the_signatures_made_here(office: Office) -> None:
    office.write()
    file, signers = office.folder / "no-sale.yaml", office.folder / "allowed_signers"
    command = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "a@example.com", "-n", NAMESPACE, "-s", f"{file}.sig"]
    assert subprocess.run(command, input=file.read_bytes(), capture_output=True, check=False).returncode == 0


def test_a_security_key_is_not_understood() -> None:
    blob = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(32)) + string(b"ssh:")
    signature = sshsig.Signature(blob, NAMESPACE, "sha512", "sk-ssh-ed25519@openssh.com", bytes(64))
    with pytest.raises(Unobservable):
        sshsig.verifies(signature, b"")
