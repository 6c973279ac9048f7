"""A small run of a stranger's own checks, with every verdict there is, and keys that sign it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from processes import upheld

CHECKS = '''
from collections.abc import Iterator

from upheld import ATTESTED, OBSERVED, Finding, LeftOut, NotObserved, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def holds(clock: Clock, *, subjects: int = 5) -> Iterator[Finding | LeftOut]:
    """Every thing is as it should be."""
    for number in range(subjects):
        moment = clock.now()
        yield Finding(f"thing {number} of db-7.internal", moment.year > 2000, "good", f"good “{number}”\\x1b[31m")
    yield LeftOut("the last thing", "it is public by design")


@check(basis=OBSERVED)
def is_broken(clock: Clock) -> Iterator[Finding]:
    """The other thing is as it should be."""
    clock.now()
    yield Finding("the other thing", passed=False, expected="good <b>&", observed="it is bad")


@check(basis=OBSERVED)
def is_dark(clock: Clock) -> Iterator[NotObserved]:
    """The third thing is as it should be."""
    clock.now()
    yield NotObserved("the third thing", "connection refused by it")


@check(basis=ATTESTED)
def is_sworn(clock: Clock) -> Iterator[Finding]:
    """Somebody said so."""
    clock.now()
    yield Finding("the oath", passed=True, expected="an oath", observed="an oath")
'''

CLAIMS = {
    "good": "[own.holds]",
    "bad": "[own.holds: {subjects: 2}, own.is_broken]",
    "dark": "[own.is_dark]",
    "sworn": "[own.is_sworn]",
    "bare": "[]",
}


@dataclass(frozen=True)
class Recorded:
    """A run's folder inside of the project that made it."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "reports" / "latest"


def project(folder: Path, claims: dict[str, str] | None = None, checks: str = CHECKS) -> Path:
    """A policy with checks of its own and a target with nothing in it."""
    (folder / "checks").mkdir(parents=True)
    (folder / "checks" / "own.py").write_text(checks, encoding="utf-8")
    target = "upheld: target/1\nname: nothing much\nenvironment: staging\n"
    (folder / "target.yaml").write_text(target, encoding="utf-8")
    lines = [
        f'  - {{id: {claim}, statement: "Promise {claim}.", section: S, severity: low, owner: platform, checks: {uses}}}\n'
        for claim, uses in (claims or CLAIMS).items()
    ]
    text = "upheld: policy/1\nname: stranger\nclaims:\n" + "".join(lines)
    (folder / "policies.yaml").write_text(text, encoding="utf-8")
    return folder


def recorded(folder: Path, claims: dict[str, str] | None = None) -> Recorded:
    """A run that `upheld run` made."""
    project(folder, claims)
    done = upheld(folder, "run", "-n", "0")
    assert done.returncode in {0, 1, 3}, done.stdout + done.stderr
    return Recorded(folder)


@dataclass(frozen=True)
class Keys:
    """Keys of an issuer in files, each beside its public half with `.pub` behind the name."""

    folder: Path

    @cached_property
    def ed25519(self) -> Path:
        return self._written("ed25519.pem", Ed25519PrivateKey.generate())

    @cached_property
    def p256(self) -> Path:
        return self._written("p256.pem", generate_private_key(SECP256R1()))

    @cached_property
    def ssh(self) -> Path:
        path = self.folder / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", str(path)], check=True)
        return path

    def _written(self, name: str, key: Ed25519PrivateKey) -> Path:
        path = self.folder / name
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public_half(path).write_bytes(public)
        return path


def public_half(private: Path) -> Path:
    """The file of its public half."""
    return private.with_name(f"{private.name}.pub")


def ssh_line(public: Path) -> str:
    """A public key in PEM as OpenSSH writes it."""
    key = load_pem_public_key(public.read_bytes())
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
