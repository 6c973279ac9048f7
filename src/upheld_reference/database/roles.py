"""The database roles: who logs in, and with what."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from upheld_reference import postgres

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGIN_ROLES: Mapping[str, str] = {
    "owner": "rivet_owner",
    "application": "rivet_application",
    "vault": "rivet_vault",
    "retention": "rivet_retention",
    "deletion": "rivet_deletion",
    "auditor": "rivet_auditor",
    "planter": "rivet_planter",
    "staff": "rivet_staff",
    "backup": "rivet_backup",
    "worker": "rivet_worker",
}
"""Roles that log in, by the name under which ``platform.urls`` carries their URL."""

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
    await superuser.execute("ALTER ROLE rivet_auditor SET default_transaction_read_only = on")
    await superuser.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    return passwords


def url_for(superuser_url: str, role: str, password: str) -> str:
    """The URL under which ``role`` reaches the database that ``superuser_url`` names."""
    parts = conninfo_to_dict(superuser_url)
    return postgres.url(role, password, Path(str(parts["host"])), str(parts["dbname"]))
