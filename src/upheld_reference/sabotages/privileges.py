"""Database roles that may more than they need."""

from __future__ import annotations

from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIM = "least-privilege"
_ROWS = ("tenant-isolation", "network-boundaries")


@sabotage(
    breaks=(_CLAIM, *_ROWS, "privileged-logged", "ids-apart-from-tokens"),
    shows=(
        "app.contacts",
        "readable without a tenant",
        "take the triggers off",
        "rivet_application: superuser",
        "as a superuser",
    ),
)
def application_is_superuser(platform: Platform) -> None:
    """The application connects as a superuser of the database."""
    platform.schema.append("ALTER ROLE rivet_application SUPERUSER")


@sabotage(
    breaks=(_CLAIM, *_ROWS),
    shows=(
        "app.contacts",
        "readable without a tenant",
        "bypasses row security",
    ),
)
def application_bypasses_row_security(platform: Platform) -> None:
    """The application's role has BYPASSRLS, so that no policy holds for it."""
    platform.schema.append("ALTER ROLE rivet_application BYPASSRLS")


@sabotage(breaks=(_CLAIM,), shows=("owns table app.contacts, table app.templates",))
def application_owns_tables(platform: Platform) -> None:
    """The application's role owns the tables of contacts and of templates."""
    platform.schema.append(
        "ALTER TABLE app.contacts OWNER TO rivet_application; ALTER TABLE app.templates OWNER TO rivet_application"
    )


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "on vault.webhook_secrets",
        "on vault.integration_keys",
    ),
)
def edge_role_granted_credentials(platform: Platform) -> None:
    """The role that serves requests has every privilege on webhook secrets and integration keys."""
    # Not on WhatsApp tokens: the same role reads the ids that belong to those, which is another promise.
    platform.schema.append("""
        GRANT USAGE ON SCHEMA vault TO rivet_application;
        GRANT ALL ON vault.webhook_secrets, vault.integration_keys TO rivet_application;
    """)
