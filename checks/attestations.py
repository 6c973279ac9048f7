"""Statements that only a person can vouch for: signed, in force, and resting on documents that did not change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from upheld import ATTESTED, Finding, NotObserved, Unobservable, check
from upheld.probes.attestations import Attestations, SignatureSeen, SignedStatement
from upheld.probes.clock import Clock


@check(basis=ATTESTED)
def statement_is_signed_and_in_force(
    attestations: Attestations,
    clock: Clock,
    *,
    claim: str,
    valid_at_most_days: Annotated[int, Field(gt=0, le=3660)] = 366,
) -> Iterator[Finding | NotObserved]:
    """A person who may vouch for the claim signed a statement of it that is in force, and the documents under it are unchanged.

    Decides: whether the target's statement for `claim` carries a valid signature by the signer whom the statement names, and who may sign for it:
    by an SSH key that the allowed signers give to that person, made for its namespace, or by an X.509 certificate of that person, whom the
    target names for the claim, issued by one of its authorities; whether it says what the policy publishes; whether it is signed, has not expired and is
    valid for no more than `valid_at_most_days`; and whether each document that it rests on still has the digest that it names.

    How: verifies the signature as `ssh-keygen -Y verify` or `openssl cms -verify` does, and judges all times by the auditor's clock. A key, or a
    certificate and all those above it, must be valid now and have been so when the statement, and the signature where it names a
    time, say that it was signed: no outside witness dates it. A certificate's key usage must be for signing, and a revocation list that the target
    names must be in force and not name it.

    Refuted by: no signature, or one of another file, key, signer or namespace; a certificate of an unknown authority, for somebody else or for
    another use, or that was revoked; a key or certificate out of its time; a statement that expired, is valid for too long,
    is dated in the future or speaks of another claim or in other words; a document that is missing or changed; no document.

    Cannot see: whether the statement is true; whether a certificate was revoked, where the target names no revocation lists. SSH keys by
    certificate authorities and security keys (sk-), and certificates limited by name or policy are not understood.

    References: OpenSSH PROTOCOL.sshsig; ssh-keygen(1), ALLOWED SIGNERS; RFC 5652; RFC 5280 §4.2, §6.1; RFC 9336.
    """
    now = clock.now()
    statement = attestations.statement(claim)
    yield _signature(statement, statement.signature, now)
    try:
        yield _in_force(statement, now, timedelta(days=valid_at_most_days))
    except Unobservable as unobservable:
        yield NotObserved(f"term of {claim}", unobservable.reason)
    yield _words(statement, claim)
    documents = statement.entry.parts("documents", "document")
    if not documents:
        yield Finding(f"documents of {claim}", False, "it rests on documents", "it names none", seen=(statement,))
    for one in documents:
        expected = "it exists and has the digest that the statement names"
        try:
            path, digest = one.text("path"), one.text("sha256").lower()
            document = attestations.document(path)
        except Unobservable as unobservable:
            yield NotObserved(one, unobservable.reason, expected)
            continue
        same = document.exists and bool(digest) and document.sha256 == digest
        observed = (
            "does not exist" if not document.exists else "is unchanged" if same else "was changed since it was signed"
        )
        yield Finding(f"document {path}", same, expected, f"{path} {observed}", seen=(document, statement))


def _signature(statement: SignedStatement, signature: SignatureSeen, now: datetime) -> Finding | NotObserved:
    subject = f"signature under {statement.claim}"
    wanted = f", for {signature.wanted}" if signature.wanted else ""
    expected = f"signed by {statement.signer or 'a named person'}, who is allowed to{wanted}"
    if not signature.present or signature.flaw or not signature.allowed:
        observed = signature.flaw or signature.remark
        return Finding(subject, False, expected, observed, seen=(statement,))
    if signature.namespace != signature.wanted:
        return Finding(subject, False, expected, f"it is made for {signature.namespace}", seen=(statement,))
    try:
        signed = statement.entry.moment("signed_at")
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected, seen=(statement,))
    by, after, before = (
        f"the {signature.made_with} {signature.fingerprint}",
        signature.valid_after,
        signature.valid_before,
    )
    observed = ""
    for moment in (now, signed or now, signature.made_at or now):
        if (after is not None and moment < after) or (before is not None and moment >= before):
            observed = observed or f"{by} is not valid at {moment.isoformat(timespec='seconds')}"
    if signature.made_at is not None and signature.made_at > now:
        observed = f"it says that it is made at {signature.made_at.isoformat()}, which is still to come"
    if signature.revoked_at is not None:
        observed = f"{by} was revoked on {signature.revoked_at.date()}"
    if observed:
        return Finding(subject, False, expected, observed, seen=(statement,))
    if signature.known_until is not None and signature.known_until <= now:
        reason = f"the revocation lists were good until {signature.known_until.isoformat(timespec='seconds')} only"
        return NotObserved(subject, reason, expected, seen=(statement,))
    return Finding(subject, True, expected, f"verifies with {signature.fingerprint}", seen=(statement,))


def _in_force(statement: SignedStatement, now: datetime, longest: timedelta) -> Finding:
    subject, expected = f"term of {statement.claim}", f"signed, not expired, valid for {longest.days} days at the most"
    signed, expires = statement.entry.moment("signed_at"), statement.entry.moment("expires_at")
    if signed is None or expires is None:
        flaw = "it does not say when it was signed and when it expires"
    elif signed > now:
        flaw = f"it is said to be signed at {signed.isoformat()}, which is still to come"
    elif expires <= now:
        flaw = f"it expired on {expires.date()}"
    elif expires - signed > longest:
        flaw = f"it is valid for {(expires - signed).days} days"
    else:
        flaw = ""
    observed = flaw or f"signed on {signed and signed.date()}, until {expires and expires.date()}"
    return Finding(subject, not flaw, expected, observed, seen=(statement,))


def _words(statement: SignedStatement, claim: str) -> Finding | NotObserved:
    subject, expected = f"words of {claim}", "it speaks of this claim, in the words that are published"
    about = statement.entry.text("claim")
    if about and about != claim:
        return Finding(subject, False, expected, f"it speaks of {about}", seen=(statement,))
    if not statement.published:
        return NotObserved(subject, "no policy is at hand to compare its words with", expected, seen=(statement,))
    same = statement.says in statement.published
    observed = "the published words" if same else f"it says: {statement.says or 'nothing'}"
    return Finding(subject, same, expected, observed, seen=(statement,))
