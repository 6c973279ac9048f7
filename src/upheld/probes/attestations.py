"""Statements that persons signed: what they say, whose signature is under them, and the documents that they rest on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate

from upheld import documents
from upheld.errors import InputError, Unobservable
from upheld.probes import cms, signer_certificates, sshsig
from upheld.probes.base import Probe, look
from upheld.probes.entries import Entry, renamed
from upheld.probes.html_text import normalise
from upheld.probes.kept_files import Document, KeptFolder, Missing
from upheld.target.registers import Attestation
from upheld.target.registers import Attestations as Description

__all__ = ["Attestations", "Document", "Entry", "SignatureSeen", "SignedStatement"]

_SMALL = 1 << 20
"""Bytes that a statement, a signature and the file of those who may sign may have."""
_LISTS = 32 << 20
"""Bytes that revocation lists may have."""


@dataclass(frozen=True, slots=True)
class SignatureSeen:
    """A statement's signature. `present`: there is one; `flaw`: why it is none of this file; empty when it is.

    `allowed`: whoever may sign made it; else `remark` says why that is not so. The key is shown by its fingerprint, a certificate
    by its own with its subject; it counts between `valid_after` and `valid_before` (None: always), of a certificate and all
    those above it. Of a signature by an SSH key `namespace` is what it was made for and `wanted` what it must be. One by a
    certificate may say when it was made, and `revoked_at` when its certificate was taken back, by lists good until `known_until`.
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
    made_with: str = "key"
    made_at: datetime | None = None
    revoked_at: datetime | None = None
    known_until: datetime | None = None


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
        principal = (signer.text("email") or signer.text("subject")) if signer else entry.text("signer")
        if described.format == "x509":
            signature = self._by_certificate(claim, described, raw, principal)
        else:
            signature = self._by_key(described, raw, principal)
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

    def _by_key(self, described: Attestation, content: bytes, principal: str) -> SignatureSeen:
        wanted = described.namespace or ""
        allowed = sshsig.read_allowed(self._folder.content(self._described.allowed_signers or "", _SMALL))
        try:
            raw = self._folder.content(described.signature or f"{described.file}.sig", _SMALL)
        except Missing:
            return SignatureSeen(False, "", "", wanted, "", False, None, None, "there is no signature")
        signature = sshsig.read_signature(raw)
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

    def _by_certificate(self, claim: str, described: Attestation, content: bytes, principal: str) -> SignatureSeen:
        trusted = self._described.certificates
        if trusted is None:
            raise Unobservable("the target does not say whose certificates count (attestations.certificates)")
        authorities = self._pem(trusted.authorities)
        known = self._pem(trusted.intermediates) if trusted.intermediates else ()
        try:
            raw = self._folder.content(described.signature or f"{described.file}.p7s", _SMALL)
        except Missing:
            seen = SignatureSeen(False, "", "", "", "", False, None, None, "there is no signature")
            return replace(seen, made_with="certificate")
        signature = cms.read_cms(raw)
        others = tuple(dict.fromkeys((*signature.certificates, *known, *authorities)))
        signer = next((one for one in others if signature.of(one)), None)
        if signer is None:
            raise Unobservable("the signer's certificate is neither in the signature nor among the declared ones")
        flaw = cms.verifies_cms(signature, signer, content)
        path = signer_certificates.path_to(signer, others, authorities)
        may = [claims for name, claims in trusted.signers.items() if signer_certificates.same_name(name, principal)]
        remark = path.why_not or signer_certificates.unfit(signer, declared=signer in authorities)
        if not remark and not signer_certificates.speaks_for(signer, principal):
            remark = f"its certificate is {signer_certificates.shown(signer)}'s, and not for {principal or 'nobody'}"
        if not remark and not any(claim in claims or "*" in claims for claims in may):
            remark = f"{principal} is not among those who may sign for {claim} (attestations.certificates.signers)"
        revoked = signer_certificates.Revocation(None, None)
        if path.certificates and trusted.revocation_lists:
            lists = self._folder.content(trusted.revocation_lists, _LISTS)
            revoked = signer_certificates.revocation(lists, path.certificates)
        chain = path.certificates or (signer,)
        return SignatureSeen(
            present=True,
            flaw=flaw,
            namespace="",
            wanted="",
            fingerprint=f"SHA256:{signer.fingerprint(SHA256()).hex()} of {signer_certificates.shown(signer)}",
            allowed=not remark,
            valid_after=max(one.not_valid_before_utc for one in chain),
            valid_before=min(one.not_valid_after_utc for one in chain),
            remark=remark,
            made_with="certificate",
            made_at=signature.made_at,
            revoked_at=revoked.revoked_at,
            known_until=revoked.known_until,
        )

    def _pem(self, file: str) -> tuple[Certificate, ...]:
        return signer_certificates.read_certificates(self._folder.content(file, _SMALL), file)
