"""Where the audit log is, what its columns mean, how its entries are chained, and what it calls things."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from upheld.target.parts import LocalPath, Part


class AuditColumns(Part):
    """The columns of the log's table. `sequence` grows by one with each entry; what the log has not is null."""

    sequence: str = "sequence"
    at: str = "at"
    actor: str = "actor"
    action: str = "action"
    target: str = "target"
    tenant: str | None = None
    outcome: str = "outcome"
    reason: str | None = None
    details: str | None = None
    previous: str | None = "previous"
    digest: str | None = "digest"


class Chain(Part):
    """What the digest of an entry covers.

    The columns in `covers` are written as one JSON object in UTF-8 with sorted keys, no spaces and no needless escapes
    (`json`), or as texts joined by `separator` (`joined`). Times are in UTC by the format `timestamp`. The digest is in
    hexadecimal; `first_previous` is what the first entry names as the digest before it.
    """

    covers: tuple[str, ...] = Field(min_length=1)
    form: Literal["json", "joined"] = "json"
    separator: str = "|"
    timestamp: str = "%Y-%m-%dT%H:%M:%S.%fZ"
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    first_sequence: int = 1
    first_previous: str = ""


class BreakGlassEntries(Part):
    """What the log calls the steps of emergency access; the entries of one session share a target.

    `ticket` is a JSON pointer into the details of the request's entry.
    """

    request: str
    approve: str
    start: str
    end: str
    ticket: str = "/ticket"


class AuditLog(Part):
    """The log of privileged access, as a table of the database.

    `done` and `refused` are the outcomes of what happened and of what was turned down. `staff` says how one of staff is written as
    an actor (`staff:{id}`). `anchors` is a file with the digests that were noted elsewhere: JSON lines with `sequence` and `digest`.
    `append` is a statement by which the application's role adds an entry: the control that it is let near the log at all;
    it is rolled back.
    """

    table: str
    columns: AuditColumns = AuditColumns()
    done: tuple[str, ...] = ("done",)
    refused: tuple[str, ...] = ("refused",)
    staff: str = "{id}"
    chain: Chain | None = None
    anchors: LocalPath | None = None
    append: str | None = None
    break_glass: BreakGlassEntries | None = None
