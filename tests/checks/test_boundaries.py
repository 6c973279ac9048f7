"""What roles that all tenants share see of a real PostgreSQL: each tenant's rows only, those of others, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from upheld.model import Finding, LeftOut, NotObserved
from upheld.probes.shared_roles import SharedRoles

from ..loopback import load_checks

boundaries = load_checks("boundaries")
SCHEMA = """
CREATE TABLE notes (id int PRIMARY KEY, tenant_id uuid, text text);
INSERT INTO notes SELECT n, ('00000000-0000-0000-0000-00000000000' || n % 2)::uuid, 'x' FROM generate_series(1, 8) n;
"""
POLICY = """
ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant_id::text = current_setting('app.tenant', true));
"""
READ = "GRANT SELECT ON notes TO {role}"


def run(postgres: Any, session_of: Callable[..., Any], grants: tuple[str, ...], *scripts: str) -> list[Any]:
    url = postgres.database(SCHEMA, *scripts)
    session = session_of(
        database={"url": "env:AUDITOR", "tenant_column": "tenant_id"},
        shared_roles={"setting": "app.tenant", "roles": {"worker": "env:WORKER"}, "tables": ["public.notes"]},
        secret_values={"AUDITOR": url, "WORKER": postgres.role(url, *grants)},
    )
    with session.recording("t"):
        return list(boundaries.shared_roles_see_one_tenant(session.probe(SharedRoles)))


def test_a_role_that_sees_the_tenant_that_is_set(postgres: Any, session_of: Callable[..., Any]) -> None:
    (one,) = run(postgres, session_of, (READ,), POLICY)
    assert isinstance(one, Finding)
    assert one.passed
    assert one.observed.startswith("sees 8 rows of two tenants in turn")


@pytest.mark.parametrize(
    ("grants", "scripts"),
    [
        ((READ,), ()),
        ((READ, "ALTER ROLE {role} BYPASSRLS"), (POLICY,)),
        ((READ,), (POLICY, "CREATE POLICY more ON notes USING (current_setting('app.tenant', true) <> '')")),
    ],
    ids=["no row security", "bypassed", "another policy"],
)
def test_a_role_that_sees_more(
    postgres: Any, session_of: Callable[..., Any], grants: tuple[str, ...], scripts: tuple[str, ...]
) -> None:
    (one,) = run(postgres, session_of, grants, *scripts)
    assert isinstance(one, Finding)
    assert not one.passed
    assert "rows of other tenants" in one.observed


def test_a_role_that_may_not_read_sees_nothing(postgres: Any, session_of: Callable[..., Any]) -> None:
    (one,) = run(postgres, session_of, (), POLICY)
    assert isinstance(one, LeftOut), "that passes nothing"


@pytest.mark.parametrize(
    "scripts",
    [
        (POLICY, "DELETE FROM notes"),
        (POLICY, "DELETE FROM notes WHERE id % 2 = 0"),
        ("ALTER TABLE notes ENABLE ROW LEVEL SECURITY",),
    ],
    ids=["empty", "one tenant", "nothing is let through"],
)
def test_where_nothing_can_be_seen_nothing_is_shown(
    postgres: Any, session_of: Callable[..., Any], scripts: tuple[str, ...]
) -> None:
    (one,) = run(postgres, session_of, (READ,), *scripts)
    assert isinstance(one, NotObserved)
