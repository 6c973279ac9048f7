"""Backups of the database: where they lie, what is what, what the catalogue says, and how one is restored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import Lies, Name, Part, SecretRef


class BackupCatalogue(Part):
    """What the backup program says of its backups: a file of JSON, or of one JSON object a line.

    Each name under it is a JSON pointer into an entry; those that a program does not tell stay away. `kinds` says which values
    of `kind` are base backups that stand alone, increments, and write-ahead log; without `kind` every entry is a base backup.
    """

    path: Annotated[str, Lies.RECORDED]
    """In the store, or a file (`file:PATH`, relative to the target file) in which the program's answer was recorded."""
    format: Literal["json", "jsonl"] = "json"
    header_lines: int = Field(default=0, ge=0)
    """Lines at the beginning that are no entries."""
    entries: str = ""
    """Where the list of entries is in a JSON file; `*` stands for every member of a list on the way to it."""
    name: str = "/name"
    kind: str | None = None
    kinds: dict[str, Literal["base", "increment", "wal"]] = {}
    finished: str = "/finished_at"
    """When the backup was complete: RFC 3339, or seconds since 1970."""
    size: str | None = None
    """Bytes of the object in the store."""
    plain_size: str | None = None
    """Bytes before compression and encryption."""
    start_segment: str | None = None
    """The first segment of write-ahead log that the backup needs."""


class RestoreCommand(Part):
    """How to restore to an instant into a scratch server: a program with its arguments; no shell is involved.

    `{time}` becomes the instant (RFC 3339, UTC), `{folder}` an empty folder that is removed afterwards. The program prints the
    URL of the restored database, which is on this machine, and keeps it up until it gets SIGTERM.
    """

    command: tuple[Annotated[str, Lies.ARGUMENT], ...] = Field(min_length=1)
    environment: dict[str, SecretRef] = {}
    """Variables with secrets that the program needs, such as the one that opens the backups."""
    url: str = r"(postgres(?:ql)?://\S+)"
    """A pattern whose first group is the URL in what the program prints."""
    within_seconds: float = Field(default=300.0, gt=0)


class Marker(Part):
    """A table into which the planting role may write a row, to see whether a restore brings it back.

    In `values`, `{canary}` becomes a made-up word that is looked for afterwards; `{uuid}` and `{now}` are filled in too.
    """

    table: str
    id: str = "id"
    column: str
    """The column that holds the canary."""
    values: dict[str, Any] = {}


class Backups(Part):
    """The backups of the database. `store` is a folder (relative to the target file) or a URL of fsspec: `s3://bucket/path`.

    `base` and `wal` are patterns of object names in the store: `*` stands for anything but a slash, `**` for anything, and
    `{segment}` for the 24 hexadecimal digits of a segment of PostgreSQL's write-ahead log.
    """

    store: Annotated[str, Lies.STORE]
    store_options: dict[str, str] = {}
    store_secrets: dict[str, SecretRef] = {}
    """Options of the store that are secret: `key`, `secret`, `token` of fsspec's file systems."""
    hosts: tuple[
        Annotated[str, Field(pattern=r"^(\*\.)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?$")], ...
    ] = ()
    """The hosts (with a port where it is not 443, `*.` for every name below a domain) that the store's library may contact.

    Needed where the URL names a bucket and no host. `169.254.169.254:80` lets it ask a cloud's machine for credentials.
    """
    base: tuple[str, ...] = ()
    increments: tuple[str, ...] = ()
    wal: tuple[str, ...] = ()
    readable: dict[str, str] = {}
    """Patterns of objects that may be readable, because they hold nothing of the database, with the reason."""
    catalogue: BackupCatalogue | None = None
    keys: dict[Name, SecretRef] = {}
    """The keys that open the backups, by name; they are looked for in the store."""
    archive_within_seconds: float = Field(default=120.0, gt=0)
    """Within this time what was written to the database must be in the archive (archive_timeout and some seconds)."""
    restore: RestoreCommand | None = None
    marker: Marker | None = None
    read_limit_bytes: int = Field(default=8 * 1024**3, gt=0)
    """How much of the store a look reads in all; objects beyond that count as not seen."""

    @model_validator(mode="after")
    def _patterns(self) -> Backups:
        for pattern in self.wal:
            if "{segment}" not in pattern:
                raise PydanticCustomError("pattern", "a pattern of write-ahead log needs {segment}")
        return self
