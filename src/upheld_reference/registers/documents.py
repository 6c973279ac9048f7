"""The documents that the registers refer to, as Markdown, and their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from upheld_reference.registers import sources

Books = Mapping[str, Any]
"""The registers by name."""


def digest(text: str) -> str:
    """The SHA-256 of ``text`` in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def attach(books: Books) -> dict[str, str]:
    """The texts of all documents by path; each entry with a document gets the digest of its text as ``sha256``."""
    texts: dict[str, str] = {}

    def add(entry: dict[str, Any], path: str, text: str) -> None:
        entry["document"], entry["sha256"] = path, digest(text)
        texts[path] = text

    for review in books["access-reviews"]["reviews"]:
        add(review, review["document"], minutes(review))
    for party in books["sub-processors"]["sub_processors"]:
        add(party["agreement"], party["agreement"]["document"], agreement(party))
    for incident in books["incidents"]["incidents"]:
        folder = f"documents/incidents/{incident['id'].lower()}"
        for number, sent in enumerate(incident["notices"], 1):
            add(sent, f"{folder}-notice-{number}.md", notice(incident, sent))
        for name, make in _OF_INCIDENT.items():
            if incident[name] is not None:
                add(incident[name], f"{folder}-{name.replace('_', '-')}.md", make(incident))
    for statement in books["attestations"]["attestations"]:
        statement["documents"] = [_kept(path, texts) for path in statement["documents"]]
    return texts


def _kept(path: str, texts: dict[str, str]) -> dict[str, str]:
    """A document that lies in the package as it is."""
    texts[path] = sources.text(path)
    return {"path": path, "sha256": digest(texts[path])}


def minutes(review: Mapping[str, Any]) -> str:
    """The minutes of an access review."""
    rows = "\n".join(
        f"| {entry['system']} | {entry['account']} | {entry['role']} | {entry['decision']} | {entry['decided_by']} |"
        for entry in review["accounts"]
    )
    return (
        f"# Access review of {review['held_on']}\n\nReviewed by {review['reviewer']}, whose own accounts were reviewed by "
        f"{review['second_reviewer']}.\n\n| system | account | role | decision | decided by |\n|---|---|---|---|---|\n{rows}\n"
    )


def agreement(party: Mapping[str, Any]) -> str:
    """The agreement with a sub-processor."""
    terms = party["agreement"]
    data = "\n".join(f"- {item}" for item in party["data"])
    return (
        f"# {terms['title']}\n\nBetween Rivet Software (Pty) Ltd and {party['name']}.\n\n"
        f"Signed on {terms['signed_on']}, valid until {terms['valid_until']}.\n\n"
        f"## Purpose\n\n{party['purpose']}.\n\n## Data\n\n{data}\n\n## Duties of the processor\n\n"
        "1. It processes the data on documented instructions only.\n"
        "2. It keeps the data confidential and secure, and lets us inspect how.\n"
        "3. It tells us of a breach without delay, at the latest within 24 hours.\n"
        "4. It engages another processor only with our written consent.\n"
        "5. It returns or deletes the data when the agreement ends.\n"
        f"6. It processes the data in {party['country']} only.\n"
    )


def notice(incident: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """A notice about an incident, with the parts that it has."""
    titles = {
        "nature": "Nature of the incident",
        "data_affected": "Data affected",
        "steps_taken": "Steps taken",
    }
    parts = "".join(f"\n## {title}\n\n{sent[name]}\n" for name, title in titles.items() if sent.get(name))
    return f"# Notice: {incident['title']}\n\nTo: {sent['to']}\n\nSent: {sent['sent_at']}\n{parts}"


def regulator_report(incident: Mapping[str, Any]) -> str:
    """The record of the report to the Information Regulator."""
    report = incident["regulator_report"]
    return (
        f"# Report to the Information Regulator of South Africa\n\nIncident: {incident['id']}, {incident['title']}\n\n"
        f"Reported: {report['reported_at']}\n\nReference: {report.get('reference') or 'none'}\n\n"
        f"Why: {incident['reportable_because']}\n\nData affected: {', '.join(incident['data_affected'])}\n"
    )


def post_incident_review(incident: Mapping[str, Any]) -> str:
    """The post-incident review."""
    review = incident["review"]
    actions = "\n".join(
        f"- {action['id']}: {action['action']} (owner: {action['owner']}, due {action['due_on']})"
        for action in review["actions"]
    )
    return (
        f"# Post-incident review: {incident['title']}\n\nHeld on {review['held_on']}.\n\n## Cause\n\n{review['cause']}\n\n"
        f"## Actions\n\n{actions}\n"
    )


_OF_INCIDENT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "regulator_report": regulator_report,
    "review": post_incident_review,
}
