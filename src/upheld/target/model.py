"""The target description: one YAML file that says where to look, as whom, and what counts as refusal.

Secrets are references (`env:NAME`, `file:PATH`), never values. Whatever the file does not describe makes the checks that
need it inconclusive. Relative paths are relative to the file's folder.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.access import Access, Plans
from upheld.target.api import Api, CanaryFlow, Identity, Tenant
from upheld.target.audit_log import AuditLog
from upheld.target.backups import Backups
from upheld.target.code import Advisories, Deploys, Forge, Repository
from upheld.target.credentials import AgeAdvice, CredentialFlow, StoredPasswords, StoresSearched
from upheld.target.data import Database, Encryption, Retention
from upheld.target.deletion import Deletion
from upheld.target.endpoints import Endpoint, Publication, Vantage
from upheld.target.host import Host
from upheld.target.logs import LogSource
from upheld.target.manners import Limits
from upheld.target.network import Internal, Outbound, Receivers, SharedRoles, StatusPage, Webhooks
from upheld.target.parts import DocumentFile, IpNetwork, Part
from upheld.target.privileges import DatabaseAccess
from upheld.target.registers import Attestations, Registers
from upheld.target.reset import WholeReset
from upheld.target.sessions import Browsing, Sessions
from upheld.target.staff import Staff


class Environment(StrEnum):
    """What kind of deployment it is; `production` keeps intrusive checks from running."""

    PRODUCTION = "production"
    STAGING = "staging"
    REFERENCE = "reference"


class Target(Part):
    """A deployment, its stores, codebase and registers."""

    upheld: Literal["target/1"] = "target/1"
    name: str
    environment: Environment
    allow_intrusive: tuple[str, ...] = ()
    """Checks that may write or flood in production, by name."""
    contact: str | None = Field(default=None, pattern=r"^[A-Za-z0-9@:/._+?&=~#%, -]{3,200}$")
    """Whom to ask about the harness's requests (an address, a page); every request carries it in its User-Agent."""
    limits: Limits | None = None
    vantage: Vantage = Vantage()
    ca: DocumentFile | None = None
    timeout_seconds: float = Field(default=10.0, gt=0, le=300)
    """Within this time a single answer must be complete."""
    check_seconds: float = Field(default=120.0, gt=0, le=3600)
    """After this time a check makes no further look; it is inconclusive unless it found a defect before."""
    networks: tuple[IpNetwork, ...] = ()
    """Where given: every name that is not pinned must resolve into one of these networks, or is not contacted."""
    endpoints: tuple[Endpoint, ...] = ()
    publication: Publication | None = None
    api: Api | None = None
    tenants: tuple[Tenant, ...] = ()
    identities: tuple[Identity, ...] = ()
    canary_flows: tuple[CanaryFlow, ...] = ()
    access: Access | None = None
    sessions: Sessions | None = None
    browsing: Browsing | None = None
    plans: Plans | None = None
    deletion: Deletion | None = None
    database: Database | None = None
    encryption: Encryption | None = None
    retention: Retention | None = None
    logs: tuple[LogSource, ...] = ()
    host: Host | None = None
    domains: tuple[str, ...] = ()
    """The domains that are the deployment's own; by default those that its public endpoints stand in."""
    internal: Internal | None = None
    receivers: Receivers | None = None
    webhooks: Webhooks | None = None
    outbound: Outbound | None = None
    status_page: StatusPage | None = None
    shared_roles: SharedRoles | None = None
    backups: Backups | None = None
    registers: Registers | None = None
    repository: Repository | None = None
    forge: Forge | None = None
    deploys: Deploys | None = None
    advisories: Advisories | None = None
    attestations: Attestations | None = None
    staff: Staff | None = None
    audit_log: AuditLog | None = None
    credential_flows: tuple[CredentialFlow, ...] = ()
    age_advice: tuple[AgeAdvice, ...] = ()
    stores_searched: StoresSearched | None = None
    stored_passwords: StoredPasswords | None = None
    database_access: DatabaseAccess | None = None
    reset: WholeReset | None = None
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
        if self.staff and self.staff.api.endpoint not in {e.name for e in self.endpoints}:
            raise PydanticCustomError(
                "unknown", "staff.api.endpoint names no endpoint: {name}", {"name": self.staff.api.endpoint}
            )
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
