"""What a company keeps records of: its registers, their documents, and the statements that persons signed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import Name, Part, RecordsFolder, Url


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

    folder: RecordsFolder
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
    """One signed statement: its file, and the file of its signature, by default with `.sig` (SSH) or `.p7s` (X.509) after its name.

    `format` says what the signature is made with: an SSH key, which needs the `namespace` that it is made for, or an X.509
    certificate (CMS, as `openssl cms -sign` makes it). `fields` says what the company calls the fields of the statement.
    """

    file: str
    signature: str | None = None
    format: Literal["ssh", "x509"] = "ssh"
    namespace: str | None = Field(default=None, min_length=1)
    fields: dict[str, str] = {}

    @model_validator(mode="after")
    def _of_one_format(self) -> Attestation:
        if self.format == "ssh" and self.namespace is None:
            raise PydanticCustomError("no_namespace", "a signature by an SSH key needs its namespace (namespace)")
        if self.format == "x509" and self.namespace is not None:
            raise PydanticCustomError("namespace", "signatures by X.509 certificates have no namespace")
        return self


class SigningCertificates(Part):
    """Whose X.509 certificates count: issued, over `intermediates` if need be, by one of the `authorities`, to one of the `signers`.

    All three files are in PEM. `signers` gives for each person, by the e-mail address or the subject (as RFC 4514 writes it) of the
    certificate, the claims for which that person may sign; `"*"` stands for all. `revocation_lists` are those of every
    authority on the way; without it nobody looks whether a certificate was taken back.
    """

    authorities: str
    intermediates: str | None = None
    revocation_lists: str | None = None
    signers: dict[str, tuple[str, ...]] = Field(min_length=1)


class Attestations(Part):
    """Statements that persons signed, by claim, and whose signature counts: by SSH keys, by X.509 certificates, or both.

    Everything lies below `folder`. The format of `allowed_signers` is that of ssh-keygen(1).
    """

    folder: RecordsFolder
    documents: str = "."
    allowed_signers: str | None = None
    certificates: SigningCertificates | None = None
    statements: dict[str, Attestation] = Field(min_length=1)

    @model_validator(mode="after")
    def _somebody_may_sign(self) -> Attestations:
        formats = {one.format for one in self.statements.values()}
        if "ssh" in formats and self.allowed_signers is None:
            raise PydanticCustomError("no_signers", "statements signed by SSH keys need allowed_signers")
        if "x509" in formats and self.certificates is None:
            raise PydanticCustomError("no_signers", "statements signed by X.509 certificates need certificates")
        return self
