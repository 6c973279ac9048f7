"""The database roles: who logs in, and with what."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from upheld_reference import postgres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upheld_reference.platform import Platform

LOGIN_ROLES: Mapping[str, str] = {
    "owner": "rivet_owner",
    "application": "rivet_application",
    "vault": "rivet_vault",
    "retention": "rivet_retention",
    "deletion": "rivet_deletion",
    "auditor": "rivet_auditor",
    "vault_auditor": "rivet_vault_auditor",
    "planter": "rivet_planter",
    "staff": "rivet_staff",
    "backup": "rivet_backup",
    "worker": "rivet_worker",
}
"""Roles that log in, by the name under which ``platform.urls`` carries their URL."""

_SERVICES = {"application": "api", "owner": "migrations"}

SERVICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {role: frozenset({_SERVICES.get(name, name)}) for name, role in LOGIN_ROLES.items()}
)
"""The services whose certificate lets them connect as each role; but for these two, service and role have the same name."""

ON_THE_HOST = frozenset({"backup"})
"""Roles of what runs on the database's own host and connects by the socket: the tools for base backups know no TLS."""

AUDITORS = ("rivet_auditor", "rivet_vault_auditor")
"""Roles that auditors read as: the second the vault, the first all else, so that not even they see both at once."""

GROUP_ROLES = ("rivet_login", "rivet_vault_owner", "rivet_vault_census", "rivet_queue")
"""Roles that nobody logs in as: owners of schemas and of functions with rights of their own."""


async def create_roles(superuser: psycopg.AsyncConnection[object]) -> dict[str, str]:
    """Creates all roles with random passwords and returns the passwords by name."""
    for role in GROUP_ROLES:
        await superuser.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    passwords = {}
    for name, role in LOGIN_ROLES.items():
        passwords[name] = secrets.token_urlsafe(24)
        # The server logs every statement, so that it gets a SCRAM verifier and never sees the password itself.
        verifier = superuser.pgconn.encrypt_password(passwords[name].encode(), role.encode(), b"scram-sha-256").decode()
        await superuser.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
        )
    for role in AUDITORS:
        await superuser.execute(
            sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(role))
        )
    await superuser.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    return passwords


def services() -> frozenset[str]:
    """Every service whose certificate is one for a database role."""
    return frozenset().union(*SERVICES.values())


def url_for(platform: Platform, name: str, password: str) -> str:
    """The URL under which the role called ``name`` reaches the database: by mutual TLS with its service's certificate.

    Raises KeyError when no role is called that.
    """
    role = LOGIN_ROLES[name]
    local = conninfo_to_dict(platform.urls["superuser"])
    if name in ON_THE_HOST:
        return postgres.url(role, password, Path(str(local["host"])), str(local["dbname"]))
    listener = platform.listeners["database"]
    files = platform.internal.clients[min(SERVICES[role])]
    options = {
        "hostaddr": listener.address,
        "sslmode": "verify-full",
        "sslnegotiation": "direct",
        "sslrootcert": str(platform.internal.ca_file),
        "sslcert": str(files.certificate),
        "sslkey": str(files.key),
        "gssencmode": "disable",
    }
    place = f"{listener.host_name}:{listener.port}/{local['dbname']}"
    return f"postgresql://{quote(role)}:{quote(password, safe='')}@{place}?{urlencode(options)}"
