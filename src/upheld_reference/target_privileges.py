"""The part of the target file that says who may do what in the database."""

from __future__ import annotations

from typing import Any

_OWNERS = {
    "postgres": "the server's first role, which made the audit log and the roles",
    "rivet_owner": "migrations run as it; row security is forced for it too",
    "rivet_vault_owner": "owns the vault's schema, and nobody logs in as it",
    "rivet_vault_census": "owns one function that counts workspaces, and nobody logs in as it",
    "rivet_login": "owns the functions that look up who logs in, and nobody logs in as it",
    "rivet_queue": "owns the function that hands out deliveries, and nobody logs in as it",
    "rivet_audit": "owns the audit log, and nobody logs in as it",
    "rivet_message_reader": "owns the function that reads a message for staff, and nobody logs in as it",
    "rivet_break_glass": "owns the function for break-glass sessions, and nobody logs in as it",
}
_ADMINISTRATORS = {
    "postgres": "the server's first role, for making the cluster and for dumps; reachable on the host only",
    "rivet_backup": "takes base backups, for which it must replicate, on the host only",
}


def privilege_parts(facts: dict[str, Any]) -> dict[str, Any]:
    """The target's part `database_access`."""
    roles = [one["role"] for one in facts["database_roles"].values()]
    application = facts["database_roles"]["application"]["role"]
    ids = ("waba_id", "phone_number_id", "phone_number")
    return {
        "database_access": {
            "application_role": application,
            # Whoever takes backups is an administrator, and is judged as one.
            "service_roles": [role for role in roles if role != application and role not in _ADMINISTRATORS],
            "grants": facts["database_grants"],
            "administrators": _ADMINISTRATORS,
            "owners": _OWNERS,
            "kept_apart": [
                {
                    "name": "WhatsApp account ids and their tokens",
                    "first": [f"meta.whatsapp_accounts.{column}" for column in ids],
                    "second": ["vault.whatsapp_tokens.sealed"],
                    "exempt_roles": {"postgres": _ADMINISTRATORS["postgres"]},
                }
            ],
        }
    }
