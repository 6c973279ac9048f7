"""What is not the public API: internal services, the harness's own receivers, webhooks, outbound calls, the status page."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.api import Answers
from upheld.target.parts import DocumentFile, IpAddress, LocalPath, LocalPattern, Name, Part, SecretRef, Url


class ClientCertificate(Part):
    """A client's certificate (a PEM file, relative to the target file) and its key."""

    name: Name
    certificate: DocumentFile
    key: SecretRef


class RefusedCertificate(ClientCertificate):
    """A client's certificate that must let nobody in, and what is wrong with it."""

    kind: Literal["expired", "other authority", "revoked", "other service"]


class InternalService(Part):
    """A service that only other services may reach: where it is, what it speaks, and who may come in.

    `host` is the name on its certificate; `address` pins the IP. `client` is the certificate that must be let in. Of a service
    that speaks `https`, `path` is asked for; `refused` says which answers mean that the caller is not let in (a proxy may complete
    the handshake and answer 400). Of `postgresql`, `user` and `database` are what the client would log in as; `direct` is
    whether TLS begins at once (sslnegotiation=direct) and not after a request for it. Of `mysql` (MariaDB too), `user` logs in
    with `password`, over TLS only; a login in plain text counts as taken unless the server requires TLS of all.
    """

    name: Name
    host: str
    port: int = Field(ge=1, le=65535)
    address: IpAddress | None = None
    protocol: Literal["https", "postgresql", "mysql"] = "https"
    client: ClientCertificate
    path: str = "/"
    refused: Answers = Answers(statuses=(400, 401, 403, 421, 426, 495, 496))
    user: str = ""
    database: str = ""
    direct: bool = False
    password: SecretRef | None = None


class Internal(Part):
    """The internal services, the authority that signs for them, and client certificates that none of them may accept."""

    ca: DocumentFile
    services: tuple[InternalService, ...] = Field(min_length=1)
    refused: tuple[RefusedCertificate, ...] = ()


class Receivers(Part):
    """Where the harness may listen itself, as somebody on the internet whom the deployment calls.

    `addresses` are IP addresses or networks of this host that the deployment takes for public ones; `inside` are such that
    stand for an internal service, which nothing that a customer says may lead to. `names` is a pattern with `{random}` of
    names that lead to the harness: with `zone_file` (hosts(5): an address and its names on a line) the harness gives them
    addresses itself; without, they must resolve to `addresses` already. `trusted` is a PEM file with the certificate for such
    names, and its key, from an authority that the deployment trusts.
    """

    addresses: tuple[str, ...] = Field(min_length=1)
    inside: tuple[str, ...] = ()
    port: int = Field(default=443, ge=1, le=65535)
    names: str = Field(pattern=r"\{random\}|^[^{}]+$")
    zone_file: LocalPath | None = None
    trusted: SecretRef


class Signature(Part):
    """How a delivery is signed.

    `value` is a regular expression over the header, with a group `signature` and perhaps `timestamp`; `timestamp_header` is
    for schemes that keep the time apart. `content` is what the HMAC is over, with `{timestamp}`, `{id}` and `{body}`.
    `key_prefix` is cut off the secret, which is then decoded where `key_encoding` is `base64`.
    """

    header: str
    value: str = r"(?P<signature>.+)"
    algorithm: Literal["sha256", "sha384", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    content: str = "{timestamp}.{body}"
    timestamp_header: str | None = None
    id_header: str | None = None
    key_prefix: str = ""
    key_encoding: Literal["raw", "base64"] = "raw"


class Webhooks(Part):
    """How customers register webhooks, and how deliveries to them are signed.

    `object` is the kind in `api.objects` whose recipe makes and deletes a webhook; `url` and `secret` are where its URL stands
    in the body and its signing secret in the answer (a JSON pointer). `ping` is the operation that has something delivered.
    `deliveries` lists what became of it: at `status` (a JSON pointer) of the first entry stands one of `pending` as long as it
    is not over. `delivery` is where the answer of `ping`, and each entry, has the delivery's own id (a JSON pointer): then that
    entry counts instead of the first, which may be of something else that happened meanwhile. `ports` are those that a webhook
    may lead to.
    """

    identity: Name
    object: Name = "webhook"
    url: str = "url"
    secret: str = "/secret"
    ping: str
    update: str | None = None
    deliveries: str | None = None
    status: str = "/0/status"
    delivery: str | None = None
    pending: tuple[str, ...] = ("pending",)
    delivery_seconds: float = Field(default=10.0, gt=0, le=120)
    """Within this time a delivery arrives, and one that fails has been tried again."""
    signature: Signature

    def in_entry(self) -> tuple[str, str] | None:
        """Where the list of deliveries stands, and in an entry its status (JSON pointers); None where `status` is in no first entry."""
        entries, first, status = f"{self.status}/".partition("/0/")
        return (entries, f"/{status}".removesuffix("/")) if first else None

    @model_validator(mode="after")
    def _entries_are_found(self) -> Webhooks:
        if self.delivery is not None and self.in_entry() is None:
            raise PydanticCustomError(
                "no_entry", "where delivery is given, status leads to the first entry of the list, like /0/status"
            )
        return self


class Destination(Part):
    """A host that the deployment itself calls, and what for."""

    purpose: Name
    host: str
    port: int = Field(default=443, ge=1, le=65535)


class Outbound(Part):
    """The record of outbound calls: files of JSON lines, the names of their fields, and the hosts that are declared.

    For the purposes in `to_customers` the deployment calls wherever its customers say. `exercised_by` names, for a purpose,
    the canary flows that cause calls, first the one that succeeds; `code` names, for a purpose, the folders or files of the
    repository that make the calls (all code, where it says nothing). `idle_seconds` is how long the deployment may keep an
    idle connection open before it opens another one.
    """

    record: LocalPattern
    time: str = "at"
    purpose: str = "purpose"
    host: str = "host"
    port: str = "port"
    scheme: str = "scheme"
    outcome: str = "outcome"
    destinations: tuple[Destination, ...] = ()
    to_customers: tuple[str, ...] = ()
    exercised_by: dict[str, tuple[str, ...]] = {}
    code: dict[str, tuple[str, ...]] = {}
    idle_seconds: float = Field(default=6.0, ge=0, le=120)


class StatusPage(Part):
    """The status page's machine-readable form: JSON, with JSON pointers to what is in it.

    `name`, `host` and `at` are relative to a component or a sample. `names` gives, for hosts of public endpoints that the page
    shows under a name only, that name.
    """

    url: Url
    updated: str = "/updated_at"
    interval_seconds: float = Field(gt=0)
    components: str = "/components"
    name: str = "/name"
    host: str | None = None
    names: dict[str, str] = {}
    samples: str | None = None
    at: str = "/at"


class SharedRoles(Part):
    """Database roles that work for all tenants, one at a time: `setting` is the session variable that says for which.

    `tables` are what these roles read of tenants' rows, each with the tenant's column of `database`.
    """

    setting: str = Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$")
    roles: dict[str, SecretRef] = Field(min_length=1)
    tables: tuple[str, ...] = Field(min_length=1)
