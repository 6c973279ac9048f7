"""Statements that persons signed: what they say, whose signature is under them, and the documents that they rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from upheld import documents
from upheld.errors import InputError, Unobservable
from upheld.probes import sshsig
from upheld.probes.base import Probe, look
from upheld.probes.entries import Entry, renamed
from upheld.probes.html_text import normalise
from upheld.probes.kept_files import Document, KeptFolder, Missing
from upheld.target.registers import Attestations as Description

__all__ = ["Attestations", "Document", "Entry", "SignatureSeen", "SignedStatement"]

_SMALL = 1 << 20
"""Bytes that a statement, a signature and the file of allowed signers may have."""


@dataclass(frozen=True, slots=True)
class SignatureSeen:
    """A statement's signature. `present`: there is one; `flaw`: why it is none of this file; empty when it is.

    `namespace` is what it was made for and `wanted` what it must be; `principals` are those whom the allowed signers name for
    this key and this namespace, with the times between which that holds (None: always). Keys are shown by their fingerprint.
    """

    present: bool
    flaw: str
    namespace: str
    wanted: str
    fingerprint: str
    allowed: bool
    valid_after: datetime | None
    valid_before: datetime | None
    remark: str


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement, its file's digest, its signature, and what the policy publishes for its claim (normalised sentences)."""

    claim: str
    file: str
    sha256: str
    entry: Entry
    says: str
    published: tuple[str, ...]
    signer: str
    signature: SignatureSeen


class Attestations(Probe):
    """The signed statements that the target declares."""

    name = "attestations"
    detached = True
    needs = ("attestations",)

    @look
    def statement(self, claim: str) -> SignedStatement:
        """The statement under that claim and its signature; raises Unobservable where either cannot be read."""
        described = self._described.statements.get(claim)
        if described is None:
            raise Unobservable(f"the target declares no signed statement for {claim} (attestations.statements)")
        folder = self._folder
        raw = folder.content(described.file, _SMALL)
        try:
            document = documents.load(folder.path(described.file))
        except InputError as error:
            raise Unobservable(f"the statement cannot be read: {error.mistakes[0]}") from error
        digest = hashlib.sha256(raw).hexdigest()
        if document.digest != digest:
            raise Unobservable("the statement changed while it was read")
        if not isinstance(document.data, Mapping):
            raise Unobservable("the statement is no mapping")
        entry = Entry(f"statement {claim}", renamed(document.data, described.fields))
        signer = entry.part("signer") if isinstance(entry.values.get("signer"), Mapping) else None
        principal = signer.text("email") if signer else entry.text("signer")
        signature = self._signature(described.signature or f"{described.file}.sig", raw, described.namespace, principal)
        sentences = tuple(normalise(one) for one in self.session.policy_sentences.get(claim, ()))
        says = normalise(entry.text("statement"))
        return SignedStatement(claim, described.file, digest, entry, says, sentences, principal, signature)

    @look
    def document(self, path: str) -> Document:
        """A document that a statement names; one that does not exist is a sight, one outside the declared folder is not read."""
        return self._folder.document(f"{self._described.documents.strip('/')}/{path}".removeprefix("./"))

    @property
    def _described(self) -> Description:
        if self.target.attestations is None:
            raise Unobservable("the target describes no attestations")
        return self.target.attestations

    @property
    def _folder(self) -> KeptFolder:
        return KeptFolder(self.session.target_folder / self._described.folder)

    def _signature(self, file: str, content: bytes, wanted: str, principal: str) -> SignatureSeen:
        allowed = sshsig.read_allowed(self._folder.content(self._described.allowed_signers, _SMALL))
        try:
            signature = sshsig.read_signature(self._folder.content(file, _SMALL))
        except Missing:
            return SignatureSeen(False, "", "", wanted, "", False, None, None, "there is no signature")
        flaw = sshsig.verifies(signature, content)
        of_key = [one for one in allowed if one.key == signature.key and not one.authority]
        lines = [one for one in of_key if one.names(principal) and one.good_for(signature.namespace)]
        remark = ""
        if not of_key:
            authorities = any(one.authority for one in allowed)
            remark = "its key is not among those of the allowed signers" + (
                " (certificate authorities among them are not used)" if authorities else ""
            )
        elif not lines:
            remark = f"its key may not sign as {principal or 'nobody'} for {signature.namespace}"
        line = lines[0] if lines else None
        return SignatureSeen(
            present=True,
            flaw=flaw,
            namespace=signature.namespace,
            wanted=wanted,
            fingerprint=signature.fingerprint,
            allowed=line is not None,
            valid_after=line.valid_after if line else None,
            valid_before=line.valid_before if line else None,
            remark=remark,
        )
