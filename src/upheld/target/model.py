"""The target description: one YAML file that says where to look, as whom, and what counts as refusal.

Secrets are references (`env:NAME`, `file:PATH`), never values. Whatever the file does not describe makes the checks that
need it inconclusive. Relative paths are relative to the file's folder.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_SECRET_NAME = re.compile(r"(?i)passw|secret|token|api_?key|credential")
_PLACEHOLDER = re.compile(r"\{[a-z_][a-z0-9_.-]*\}", re.IGNORECASE)


def _reference(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)", value):
        return value
    # The value is not repeated: it may be the secret itself.
    raise PydanticCustomError("secret_value", "a secret must be a reference (env:NAME or file:PATH), never a value")


def _no_literal_secrets(value: Any) -> Any:
    def walk(node: object, name: str) -> None:
        if isinstance(node, dict):
            for key, item in node.items():
                walk(item, str(key))
        elif isinstance(node, list):
            for item in node:
                walk(item, name)
        elif isinstance(node, str) and _SECRET_NAME.search(name) and node and not _PLACEHOLDER.search(node):
            raise PydanticCustomError(
                "secret_value",
                "a secret must be a placeholder such as {password}, filled from a reference, never a value",
            )

    walk(value, "")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PydanticCustomError("url", "an http or https URL with a host name")
    _ = parts.port
    return value


SecretRef = Annotated[str, BeforeValidator(_reference)]
"""A reference to a secret: `env:NAME` or `file:PATH`."""
Template = Annotated[Any, AfterValidator(_no_literal_secrets)]
"""A JSON value in which `{placeholders}` are filled in before it is sent."""
Url = Annotated[str, AfterValidator(_url)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Environment(StrEnum):
    """What kind of deployment it is; `production` keeps intrusive checks from running."""

    PRODUCTION = "production"
    STAGING = "staging"
    REFERENCE = "reference"


class Endpoint(_Part):
    """One address that the deployment serves. `address` pins the IP that the host name must be reached at."""

    name: Name
    url: Url
    address: str | None = None
    public: bool = True
    pages: tuple[str, ...] = ("/",)

    @property
    def host(self) -> str:
        """The host name in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return urlsplit(self.url).scheme == "https"

    @property
    def port(self) -> int:
        """The TCP port."""
        return urlsplit(self.url).port or (443 if self.secure else 80)

    def __str__(self) -> str:
        """`name (host:port)`, as findings show it."""
        return f"{self.name} ({self.host}:{self.port})"


class Answers(_Part):
    """What an answer looks like that means "refused" or "limited" here: a status, or a pattern in the body."""

    statuses: tuple[int, ...] = ()
    body: str | None = None

    def match(self, status: int, text: str) -> bool:
        """Whether an answer with this status and body is one of these."""
        return status in self.statuses or (self.body is not None and re.search(self.body, text) is not None)


class Login(_Part):
    """How an identity gets its credential: a request, and where in the JSON answer the token stands (a JSON pointer).

    `expires_in` points to the token's lifetime in seconds, where the answer tells it.
    """

    method: str = "POST"
    path: str
    json_body: Template = Field(default=None, alias="json")
    token: str = "/access_token"
    expires_in: str = "/expires_in"
    scheme: Literal["bearer"] = "bearer"


class Identity(_Part):
    """Someone whom the harness may act as. A throw-away identity may be locked out by a destructive check."""

    name: Name
    tenant: Name
    role: str
    login: Name
    values: dict[str, str] = {}
    secrets: dict[str, SecretRef] = {}
    throwaway: bool = False


class Tenant(_Part):
    """A customer whose data must stay apart from every other's.

    `objects` holds identifiers of objects that it has already, by kind, for operations that new objects do not fill.
    """

    name: Name
    id: str
    objects: dict[str, str] = {}


class ObjectRecipe(_Part):
    """How to make one object of a kind as a tenant: the operation, its body, and where the answer holds the identifier.

    `{canary}` in the body becomes a fresh canary; it belongs into a property that a listing or a search would show. Beside
    it stand `{search}` (a word that all canaries of a run share, for searching), `{tenant}`, `{kind}` (the identifier of an
    object of that kind), `{uuid}`, `{random}` (16 hexadecimal digits) and `{digits}` (9 decimal digits). The identifiers
    are made before it: those of the kinds that the body or the path names, and those in `after` (an export contains the
    message, say). `read` and `delete` name operations.
    """

    create: str
    json_body: Template = Field(default=None, alias="json")
    id: str = "/id"
    read: str | None = None
    delete: str | None = None
    needs_time: float = 0.0
    after: tuple[Name, ...] = ()


class OperationRecipe(_Part):
    """How to call one operation of the OpenAPI document validly, with the placeholders of an object's recipe.

    `read_back` names the operation whose answer to the owner shows what this one changed, where that is not the object in
    its path. `existing` says of which kinds an object must be used that is there already: `tenant` for the one that the
    tenant's `objects` name, or `operation pointer` (`account: listAccounts /0/id`). `harmless` is a body that has a valid shape and creates nothing.
    """

    json_body: Template = Field(default=None, alias="json")
    query: dict[str, str] = {}
    statuses: tuple[int, ...] = ()
    read_back: str | None = None
    existing: dict[str, str] = {}
    harmless: Template = None


class Api(_Part):
    """The API: its OpenAPI document, how to log in, what its parameters mean and how to make objects."""

    endpoint: Name
    openapi: str
    logins: dict[str, Login] = {}
    refused: Answers = Answers(statuses=(401, 403, 404))
    limited: Answers = Answers(statuses=(429,))
    tenant_parameter: str = "tenant_id"
    parameters: dict[str, str] = {}
    """Which kind of object an identifier parameter or body property names: `contact_id: contact`, or, for one operation
    only, `getContact.id: contact`."""
    values: dict[str, str] = {}
    """What to send for parameters that look like identifiers and name no tenant's object: `locale_id: en`."""
    objects: dict[str, ObjectRecipe] = {}
    operations: dict[str, OperationRecipe] = {}
    excluded: dict[str, str] = {}
    """Operations that no check may call, with the reason."""
    shared: dict[str, str] = {}
    """Operations whose answers are meant for every tenant (published articles, say), with the reason."""
    acting_role: str = "owner"
    """The role that tries to cross the border between tenants: the most powerful one of a tenant."""


class CanaryFlow(_Part):
    """One way in which a secret enters the system. `{canary}` in the body becomes a fresh canary.

    `path` names what the flow exercises, `statuses` the answers that show that it really went that way.
    """

    name: str
    path: Literal["success", "validation error", "upstream error", "crash"]
    identity: Name
    operation: str
    json_body: Template = Field(default=None, alias="json")
    statuses: tuple[int, ...]


class Database(_Part):
    """The database, read-only. `application_url` is the role that the application itself uses; `planting_url` may write aged rows."""

    url: SecretRef
    application_url: SecretRef | None = None
    planting_url: SecretRef | None = None
    tenant_column: str | None = None
    shared_tables: dict[str, str] = {}
    """Tables with the tenant's column that are no tenant's data, with the reason."""


class SealedColumn(_Part):
    """A column that must hold ciphertext. `associated_data` is a template over the row's columns."""

    table: str
    column: str
    what: str
    id: str = "id"
    associated_data: str = ""


class Encryption(_Part):
    """How sensitive columns are sealed: AES-GCM as header (with the key's identifier), nonce, ciphertext and tag."""

    columns: tuple[SealedColumn, ...]
    header_bytes: int = 0
    key_id_offset: int = 0
    key_id_bytes: int = 0
    nonce_bytes: int = 12
    keys: dict[str, SecretRef]


class TableStore(_Part):
    """A table whose rows are kept only for a period. `plant` gives values for the other columns of a planted row.

    `content` names the columns that hold what must go. In `plant`, `{canary}`, `{uuid}`, `{tenant}` and `{at}` (the row's
    timestamp) are filled in.
    """

    name: str
    table: str
    timestamp: str
    tenant_column: str
    id: str = "id"
    content: tuple[str, ...] = ()
    plant: dict[str, Any] | None = None
    tombstones: bool = False
    """Whether rows whose content columns are all empty may stay: they only say that something was there."""


class FileStore(_Part):
    """A folder whose files are kept only for a period, judged by modification time. `{tenant}` in the pattern is the tenant's id."""

    name: str
    folder: str
    pattern: str = "**/*"
    plant: str | None = None
    """The path below the folder of a planted file: `{tenant}`, `{uuid}` and `{id}` (of the row planted with it) are filled in."""
    plant_with: str | None = None
    """The table store that has a row for each file; a planted file belongs to a row that is planted there."""


class Retention(_Part):
    """What is kept only for a period, where the period of each tenant stands, and how long the job may take."""

    tables: tuple[TableStore, ...] = ()
    files: tuple[FileStore, ...] = ()
    period_table: str | None = None
    period_tenant_column: str = "id"
    period_column: str = "retention_days"
    job_within_seconds: float = 120.0


class LogSource(_Part):
    """Log files, by a pattern relative to the target file; rotated and gzipped ones are read too."""

    name: str
    path: str
    security: bool = False
    """Whether failed logins and lockouts are recorded here."""


class Publication(_Part):
    """Where the claims are published: the live page, and what tells its text from its chrome."""

    page: str
    main: str = "main"
    security_txt: str | None = None
    security_txt_key: str | None = None
    """File with the OpenPGP public key that signs security.txt; without it a signature cannot be verified."""


class Vantage(_Part):
    """From where the harness looks, and from which further source addresses it can send (to be several clients)."""

    name: str = "here"
    source_addresses: tuple[str, ...] = ()


class Target(_Part):
    """A deployment, its stores, codebase and registers."""

    upheld: Literal["target/1"] = "target/1"
    name: str
    environment: Environment
    allow_intrusive: tuple[str, ...] = ()
    """Checks that may write or flood in production, by name."""
    vantage: Vantage = Vantage()
    ca: str | None = None
    timeout_seconds: float = Field(default=10.0, gt=0, le=300)
    """Within this time a single answer must be complete."""
    check_seconds: float = Field(default=120.0, gt=0, le=3600)
    """After this time a check makes no further look; it is inconclusive unless it found a defect before."""
    endpoints: tuple[Endpoint, ...] = ()
    publication: Publication | None = None
    api: Api | None = None
    tenants: tuple[Tenant, ...] = ()
    identities: tuple[Identity, ...] = ()
    canary_flows: tuple[CanaryFlow, ...] = ()
    database: Database | None = None
    encryption: Encryption | None = None
    retention: Retention | None = None
    logs: tuple[LogSource, ...] = ()
    samples: tuple[str, ...] = ()
    """What of this target is a recorded sample and not observed, shown wherever it is used."""

    @model_validator(mode="after")
    def _names_exist(self) -> Target:
        for what, names in (
            ("endpoint", [e.name for e in self.endpoints]),
            ("identity", [i.name for i in self.identities]),
            ("tenant", [t.name for t in self.tenants]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise PydanticCustomError(
                    "duplicate", "two {what} entries are called {name}", {"what": what, "name": twice[0]}
                )
        if self.api and self.api.endpoint not in {e.name for e in self.endpoints}:
            raise PydanticCustomError("unknown", "api.endpoint names no endpoint: {name}", {"name": self.api.endpoint})
        tenants = {t.name for t in self.tenants}
        for identity in self.identities:
            if identity.tenant not in tenants:
                raise PydanticCustomError(
                    "unknown",
                    "identity {identity} names no tenant: {name}",
                    {"identity": identity.name, "name": identity.tenant},
                )
            if self.api and identity.login not in self.api.logins:
                raise PydanticCustomError(
                    "unknown",
                    "identity {identity} names no login: {name}",
                    {"identity": identity.name, "name": identity.login},
                )
        return self
