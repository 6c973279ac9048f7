"""What a company keeps records of: its registers, their documents, and the statements that persons signed."""

from __future__ import annotations

from pydantic import Field

from upheld.target.parts import Name, Part, Url


class Register(Part):
    """One register: a YAML or JSON file below the folder of the registers.

    `entries` is the key under which its entries stand; without it the file is a list, or has one list. `fields` says what the company
    calls a field (docs/target.md has upheld's names): `{acknowledged_at: answered}`, and for a part of an entry
    `{agreement.valid_until: expiry}`, looked for in that part, or in the entry where it has no such part. `json_schema` is a
    JSON Schema that the file must keep to. A file that was changed longer than `maximum_age_days` ago is out of date.
    """

    file: str
    entries: str | None = None
    fields: dict[str, str] = {}
    json_schema: str | None = None
    maximum_age_days: float | None = Field(default=None, gt=0)


class AccountTable(Part):
    """A table of the database with the accounts of one system: the columns of their names and of when they came and went.

    An account whose column `off` holds something is off. Without `since` every account counts as one that a review must have.
    """

    system: Name
    table: str
    account: str
    since: str | None = None
    off: str | None = None


class DatabaseRoles(Part):
    """The roles of the database that may log in, as the accounts of one system; `leave_out` gives the reason for each left out."""

    system: Name
    leave_out: dict[str, str] = {}


class PolicyPage(Part):
    """The published privacy policy, and the element that holds its text."""

    page: Url
    main: str = "main"


class Registers(Part):
    """The registers, in one folder: no file outside of it is read, and no link is followed.

    Documents that entries name are relative to `documents`, which is relative to `folder`.
    """

    folder: str
    documents: str = "."
    staff: Register | None = None
    access_reviews: Register | None = None
    incidents: Register | None = None
    sub_processors: Register | None = None
    data_flows: Register | None = None
    data_inventory: Register | None = None
    vulnerability_reports: Register | None = None
    not_in_inventory: dict[str, str] = {}
    """Tables that the data inventory does not list, with the reason."""
    accounts: tuple[AccountTable, ...] = ()
    database_roles: DatabaseRoles | None = None
    privacy_policy: PolicyPage | None = None


class Attestation(Part):
    """One signed statement: its file, the file of its signature (by default with `.sig`), and the signature's namespace.

    `fields` says what the company calls the fields of the statement.
    """

    file: str
    signature: str | None = None
    namespace: str = Field(min_length=1)
    fields: dict[str, str] = {}


class Attestations(Part):
    """Statements that persons signed with SSH keys, by claim; whose signature counts says a file of allowed signers.

    Everything lies below `folder`. The format of `allowed_signers` is that of ssh-keygen(1).
    """

    folder: str
    documents: str = "."
    allowed_signers: str
    statements: dict[str, Attestation] = Field(min_length=1)
