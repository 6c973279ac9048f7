"""What the checks of registers share: whether a register itself is fit to be judged by, and documents with their digests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from upheld import Finding, NotObserved, Unobservable
from upheld.probes.registers import Document, Entry, Register, Registers


def state(book: Register, now: datetime) -> Iterator[NotObserved]:
    """Why nothing is earned by the register as a whole: it is out of date, or not of the form that it should have."""
    if book.maximum_age_days is not None and now - book.changed > timedelta(days=book.maximum_age_days):
        age = (now - book.changed).days
        reason = f"it was last changed {age} days ago and may be {book.maximum_age_days:g} days old at the most"
        yield NotObserved(book, reason, seen=(book,))
    if book.schema_errors:
        yield NotObserved(book, f"it does not keep to its JSON Schema: {'; '.join(book.schema_errors)}", seen=(book,))


def document_of(registers: Registers, entry: Entry, what: str) -> Finding | NotObserved:
    """Whether the document that an entry names is there and has the digest that the entry keeps."""
    subject, expected = f"document of {entry}", "it exists and has the digest that the register keeps"
    try:
        path, digest = entry.text("document"), entry.text("sha256").lower()
        if not path:
            return Finding(subject, False, expected, f"{what} has no document")
        document = registers.document(path)
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected)
    return judged(subject, expected, document, digest)


def judged(subject: str, expected: str, document: Document, digest: str) -> Finding | NotObserved:
    """A document beside the digest that somebody wrote down of it."""
    if not document.exists:
        return Finding(subject, False, expected, f"{document.path} does not exist", seen=(document,))
    if not digest:
        reason = f"the register keeps no digest of {document.path}, so that it may be another one than it was"
        return NotObserved(subject, reason, expected, seen=(document,))
    same = document.sha256 == digest
    observed = f"{document.path} " + ("is unchanged" if same else "was changed since its digest was taken")
    return Finding(subject, same, expected, observed, seen=(document,))


def hours(length: timedelta) -> str:
    """`26.5 h`, as findings show it."""
    return f"{length.total_seconds() / 3600:.1f} h"
