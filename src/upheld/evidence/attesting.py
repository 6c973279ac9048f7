"""Writing the statement that a person signs for a claim: exactly what the probe of attestations reads, and what its check asks for.

Who may sign what is decided by the target's allowed signers, before anything is written as when it is read. The signing itself is
OpenSSH's: `ssh-keygen -Y sign`, called by the person, or here for a key that was named.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from upheld.errors import InputError, Mistake, Unobservable
from upheld.probes import sshsig
from upheld.probes.entries import renamed
from upheld.probes.kept_files import KeptFolder
from upheld.reporting.files import write_atomically
from upheld.target.registers import Attestation, Attestations

_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person vouches for: a claim in its published words, until when, resting on which documents (paths and SHA-256)."""

    claim: str
    words: str
    name: str
    email: str
    role: str
    signed_at: datetime
    expires_at: datetime
    documents: tuple[tuple[str, str], ...]

    def entry(self) -> dict[str, Any]:
        """The statement under upheld's names of its fields."""
        return {
            "claim": self.claim,
            "statement": self.words,
            "signer": {"name": self.name, "email": self.email, **({"role": self.role} if self.role else {})},
            "signed_at": self.signed_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "documents": [{"path": path, "sha256": digest} for path, digest in self.documents],
        }


class Place:
    """Where a target keeps the statement of a claim, and who may sign it."""

    def __init__(self, target_folder: Path, described: Attestations | None, claim: str) -> None:
        """Raises InputError where the target does not declare a statement for the claim."""
        one = described.statements.get(claim) if described is not None else None
        if described is None or one is None:
            example = (
                f"attestations: {{…, statements: {{{claim}: {{file: {claim}.yaml, namespace: {claim}@example.com}}}}}}"
            )
            message = f"the target declares no signed statement for {claim!r}"
            raise InputError([Mistake("--target", 0, 0, message, expected=example)])
        self.described: Attestation = one
        self.all = described
        self.folder = KeptFolder(target_folder / described.folder)

    @property
    def file(self) -> Path:
        """The statement's file."""
        return self._path(self.described.file)

    @property
    def signature(self) -> Path:
        """The file of its signature."""
        suffix = ".p7s" if self.described.format == "x509" else ".sig"
        return self._path(self.described.signature or f"{self.described.file}{suffix}")

    @property
    def namespace(self) -> str:
        """What a signature by an SSH key is made for."""
        return self.described.namespace or ""

    def document(self, path: Path) -> tuple[str, str]:
        """A document as a statement names it, and its SHA-256; raises InputError where it is not below the declared folder."""
        base = (self.folder.folder / self.all.documents).resolve()
        try:
            name = path.resolve().relative_to(base).as_posix()
            seen = self.folder.document(f"{self.all.documents.strip('/')}/{name}".removeprefix("./"))
        except ValueError:
            raise _wrong("--document", f"{path} is not below {base}, where the target keeps documents") from None
        except Unobservable as unobservable:
            raise _wrong("--document", unobservable.reason) from None
        if not seen.exists:
            raise _wrong("--document", f"{path} does not exist")
        return name, seen.sha256

    def content(self, statement: Statement) -> bytes:
        """The statement's file, under the company's names of its fields; raises InputError where these do not lead back to ours."""
        named = as_company(statement.entry(), self.described.fields)
        again = renamed(named, self.described.fields)
        lost = [name for name, value in statement.entry().items() if not _holds(again.get(name), value)]
        if lost:
            message = f"the statement's {lost[0]} would not be found again under the names of its fields"
            raise _wrong("attestations", f"{message} (attestations.statements.{statement.claim}.fields)")
        return yaml.safe_dump(named, sort_keys=False, allow_unicode=True, width=120).encode()

    def signers(self, email: str, moment: datetime) -> tuple[sshsig.AllowedSigner, ...]:
        """The lines by which that person may sign here at that moment; raises InputError where there is none."""
        try:
            allowed = sshsig.read_allowed(self.folder.content(self.all.allowed_signers or "", _SMALL))
        except Unobservable as unobservable:
            raise _wrong("attestations.allowed_signers", unobservable.reason) from None
        lines = [one for one in allowed if not one.authority and one.names(email) and one.good_for(self.namespace)]
        if not lines:
            message = f"{email} may not sign for {self.namespace}: no line of {self.all.allowed_signers} says so"
            raise _wrong("--signer", message)
        good = tuple(one for one in lines if not _out_of_time(one, moment))
        if not good:
            raise _wrong("--signer", f"the key of {email} is out of its time, by {self.all.allowed_signers}")
        return good

    def _path(self, name: str) -> Path:
        try:
            return self.folder.path(name)
        except Unobservable as unobservable:
            raise _wrong("attestations", unobservable.reason) from None


def command(place: Place, key: str = "KEY") -> str:
    """What the person runs to sign the statement that was written."""
    file, signature = shlex.quote(str(place.file)), shlex.quote(str(place.signature))
    if place.described.format == "x509":
        return f"openssl cms -sign -binary -in {file} -signer CERTIFICATE -inkey {key} -outform DER -out {signature}"
    signing = (
        f"ssh-keygen -Y sign -f {shlex.quote(key) if key != 'KEY' else key} -n {shlex.quote(place.namespace)} {file}"
    )
    return signing if str(place.signature) == f"{place.file}.sig" else f"{signing} && mv {file}.sig {signature}"


def write(place: Place, content: bytes) -> None:
    """Put the statement in its place; a signature that is there is of another one, and goes."""
    place.signature.unlink(missing_ok=True)
    write_atomically(place.file, content)


def sign(place: Place, content: bytes, key: Path, signers: Sequence[sshsig.AllowedSigner]) -> str:
    """Put the statement in its place, signed with that SSH key by ssh-keygen; gives the key's fingerprint.

    Raises InputError where it does not sign, or the key is not one of the `signers`; then nothing was written.
    """
    if (program := shutil.which("ssh-keygen")) is None:
        raise _wrong("--key", "ssh-keygen is not installed: sign the statement elsewhere, without --key")
    with tempfile.TemporaryDirectory(prefix="upheld-attest-") as folder:
        unsigned = Path(folder) / "statement"
        unsigned.write_bytes(content)
        # The person may be asked for a passphrase, or to touch a key: the terminal is theirs.
        arguments = [program, "-q", "-Y", "sign", "-f", str(key), "-n", place.namespace, str(unsigned)]
        done = subprocess.run(arguments, stderr=subprocess.PIPE, check=False, text=True)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it says nothing"]
            raise _wrong("--key", f"ssh-keygen did not sign: {said[-1]}")
        armoured = (Path(folder) / "statement.sig").read_bytes()
    try:
        signature = sshsig.read_signature(armoured)
        flaw = sshsig.verifies(signature, content)
    except Unobservable as unobservable:
        flaw = unobservable.reason
    if not flaw and signature.key not in {one.key for one in signers}:
        flaw = f"the key {signature.fingerprint} is not the one by which the allowed signers let this person sign"
    if flaw:
        raise _wrong("--key", flaw)
    place.signature.unlink(missing_ok=True)
    write_atomically(place.file, content)
    write_atomically(place.signature, armoured)
    return signature.fingerprint


def as_company(entry: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """An entry under the company's names of its fields: what `renamed` turns into ours again."""
    result = dict(entry)
    for ours, theirs in fields.items():
        part, dot, rest = ours.partition(".")
        if dot and part in result:
            value = result[part]
            result[part] = (
                [_moved(one, rest, theirs) for one in value] if isinstance(value, list) else _moved(value, rest, theirs)
            )
    taken = {theirs: result.pop(ours) for ours, theirs in fields.items() if "." not in ours and ours in result}
    return {**result, **taken}


def _holds(found: Any, wanted: Any) -> bool:
    """Whether `wanted` is in `found`, which may have more names in its parts."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_holds(one, value) for one, value in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)


def _moved(part: Mapping[str, Any], ours: str, theirs: str) -> dict[str, Any]:
    return {theirs if name == ours else name: value for name, value in part.items()}


def chosen_words(published: Iterable[str], statement: str) -> str:
    """Which of the published sentences the statement repeats: the claim's own where it is one, else the first."""
    sentences = tuple(published)
    return statement if statement in sentences or not sentences else sentences[0]


def _out_of_time(one: sshsig.AllowedSigner, moment: datetime) -> bool:
    early = one.valid_after is not None and moment < one.valid_after
    return early or (one.valid_before is not None and moment >= one.valid_before)


def _wrong(file: str, message: str, *, expected: str = "") -> InputError:
    return InputError([Mistake(file, 0, 0, message, expected=expected)])
