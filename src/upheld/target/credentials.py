"""Credentials: how they enter, where they must end sealed, how they are rotated, and where a copy of one would lie."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from upheld.target.parts import LocalPath, LocalPattern, Name, Part, Template

ColumnName = str
"""`schema.table.column`."""


class CredentialCall(Part):
    """A call of one operation. In `json`, `{canary}` becomes a fresh secret; `{digits}`, `{random}`, `{uuid}` are filled in too.

    `parameters` fills path parameters by name; `{id}` in it is the identifier of what the credential belongs to.
    """

    operation: str
    identity: Name | None = None
    """Who calls; without it whoever let the credential in."""
    json_body: Template = Field(default=None, alias="json")
    parameters: dict[str, str] = {}
    statuses: tuple[int, ...] = (200, 201, 202, 204)
    """The answers that show that the call did its work."""


class TokenUse(Part):
    """How to see which credential a call to the outside was made with: have one made, and read a log that marks it.

    `mark` is what a line of the log holds of the credential: `{sha256:16}` is replaced by so many hexadecimal digits of its
    SHA-256, `{sha256}` by all 64.
    """

    call: CredentialCall
    log: Name
    mark: str = "{sha256}"


class CredentialFlow(Part):
    """One kind of credential: the call by which one enters or is made, and the column in which it must end sealed.

    `shown` is for a secret that the system makes itself: the JSON pointer to it in the answer that shows it once. `reads` are the
    operations that show later what the credential belongs to, and must not show it. `rotate` replaces it; it is a canary
    again, or shown by the same pointer. `remove` undoes the flow.
    """

    name: Name
    enter: CredentialCall
    sealed_in: ColumnName
    id: str = "/id"
    """The JSON pointer to the identifier of what the credential belongs to."""
    shown: str | None = None
    reads: tuple[CredentialCall, ...] = ()
    rotate: CredentialCall | None = None
    use: TokenUse | None = None
    remove: CredentialCall | None = None


class AdvicePlace(Part):
    """Where somebody reads that a credential is old: an operation, as whom, and what in its answer says so.

    `entries` points to the list (empty: the answer itself is it). The entry of a credential is the one of which `id` points to
    its identifier, or without `id` one whose text holds it. `flag` points to what must be true in it, `equals` to what certain
    places must hold (`/kind: token_rotation`).
    """

    operation: str
    identities: tuple[Name, ...]
    entries: str = ""
    id: str | None = None
    flag: str | None = None
    equals: dict[str, str] = {}


class AgeAdvice(Part):
    """Where it stands how old each credential is, and where its owners are told when it is too old."""

    name: Name
    table: str
    received: str
    """The column with the time at which the credential came."""
    belongs_to: str
    """The column with the identifier of what it belongs to, as the places of advice show it."""
    tenant_column: str
    places: tuple[AdvicePlace, ...]


class SearchedFiles(Part):
    """Files in which no credential may lie, by a pattern relative to the target file."""

    name: Name
    path: LocalPattern


class SearchedRepository(Part):
    """A git repository of which every version of every file is searched for credentials.

    `left_out` are patterns of paths whose contents are examples, with the reason.
    """

    name: Name = "repository"
    path: LocalPath
    left_out: dict[str, str] = {}


class StoresSearched(Part):
    """Where a copy of a credential would lie: every table (through `database.dump_url`), write-ahead log, files, repositories."""

    write_ahead_log: LocalPath | None = None
    """The folder of the database's write-ahead log, relative to the target file."""
    files: tuple[SearchedFiles, ...] = ()
    repositories: tuple[SearchedRepository, ...] = ()


class PasswordColumn(Part):
    """A column with password hashes, and the column that identifies a row."""

    table: str
    column: str
    what: str
    id: str = "id"


class OneTimeColumn(Part):
    """A column with sessions, reset codes, invitations or the like, which must hold digests only."""

    table: str
    column: str
    what: str
    id: str | None = None
    form: Literal["digest"] = "digest"


class StoredPasswords(Part):
    """The columns with passwords, and those beside them that must not be readable either."""

    columns: tuple[PasswordColumn, ...]
    digests: tuple[OneTimeColumn, ...] = ()
