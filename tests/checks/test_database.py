"""The database checks against a real PostgreSQL: powers, ownership, grants, and columns that are kept apart."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from upheld import Finding, LeftOut, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.privileges import Privileges

from ..loopback import ROOT

CHECKS = Catalogue.load(ROOT / "checks")
APART = {
    "name": "ids and tokens",
    "first": ["meta.accounts.waba_id", "meta.accounts.phone"],
    "second": ["vault.tokens.sealed"],
    "exempt_roles": {"postgres": "the first role"},
}


class Server:
    """A database with identifiers, tokens, and the roles of two services; `{app}`, `{vault}` and `{auditor}` name the roles."""

    def __init__(self, postgres: Any, session_of: Callable[..., Session]) -> None:
        self.postgres, self.session_of = postgres, session_of
        self.names = {name: f"{name}_{secrets.token_hex(5)}" for name in ("app", "vault", "auditor", "extra")}
        self.url = postgres.database()
        for name in self.names.values():
            self.run(f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'")
        self.run(
            "CREATE SCHEMA meta; CREATE SCHEMA vault; CREATE TABLE meta.accounts (id int, waba_id text, phone text);"
            "CREATE TABLE vault.tokens (id int, sealed bytea);"
            "GRANT USAGE ON SCHEMA meta TO {app}, {auditor}; GRANT SELECT, INSERT ON meta.accounts TO {app};"
            "GRANT SELECT ON meta.accounts TO {auditor}; GRANT UPDATE (phone) ON meta.accounts TO {app};"
            "GRANT USAGE ON SCHEMA vault TO {vault}; GRANT SELECT ON vault.tokens TO {vault}"
        )

    def run(self, *scripts: str) -> None:
        for script in scripts:
            named = script
            for name, role in self.names.items():
                named = named.replace(f"{{{name}}}", role)
            self.postgres.run(self.url, named)

    def login(self, name: str) -> str:
        url = make_url(self.url).set(username=self.names[name], password="of-a-test")
        return url.render_as_string(hide_password=False)

    def session(self, connects_as: str = "app", **changed: Any) -> Session:
        app, vault, auditor, _ = self.names.values()
        access = {
            "application_role": app,
            "service_roles": [vault],
            "grants": {
                app: {"meta": ["USAGE"], "meta.accounts": ["SELECT", "INSERT"], "meta.accounts.phone": ["UPDATE"]},
                vault: {"vault": ["USAGE"], "vault.tokens": ["SELECT"]},
                auditor: {"meta": ["USAGE"], "meta.accounts": ["SELECT"]},
            },
            "administrators": {"postgres": "the first role"},
            "owners": {"postgres": "the first role"},
            "kept_apart": [APART],
            **changed,
        }
        urls = {"AUDITOR": self.login("auditor"), "APPLICATION": self.login(connects_as)}
        return self.session_of(
            database={"url": "env:AUDITOR", "application_url": "env:APPLICATION"},
            database_access=access,
            secret_values=urls,
        )

    def check(self, name: str, session: Session | None = None) -> list[Any]:
        session = session or self.session()
        # Roles belong to the whole server: those of other tests are none of ours.
        mine = (*self.names.values(), "postgres", "PUBLIC", "ids and tokens", "connection", ".", "schema")
        found = CHECKS[f"database.{name}"].function(session.probe(Privileges))
        return [one for one in found if any(word in str(one.subject) for word in mine)]

    def drop(self) -> None:
        self.run("DROP OWNED BY {app}, {vault}, {auditor}, {extra} CASCADE")
        for name in self.names.values():
            self.run(f"DROP ROLE {name}")


@pytest.fixture
def server(postgres: Any, session_of: Callable[..., Session]) -> Any:
    made = Server(postgres, session_of)
    yield made
    made.drop()


def failing(found: list[Any]) -> str:
    return " | ".join(f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed)


def unseen(found: list[Any]) -> str:
    return " | ".join(
        f"{one.subject}: {one.reason}" for one in found if not isinstance(one, Finding) and not isinstance(one, LeftOut)
    )


ALL = (
    "roles_have_no_powers_over_the_server",
    "services_own_nothing",
    "roles_have_only_declared_grants",
    "kept_apart_columns_stand_apart",
    "no_role_reads_both_groups",
)


@pytest.mark.parametrize("name", ALL)
def test_what_is_as_declared_passes(server: Server, name: str) -> None:
    found = server.check(name)
    assert any(isinstance(one, Finding) for one in found)
    assert not failing(found)
    assert not unseen(found)


@pytest.mark.parametrize(
    ("name", "script", "words"),
    [
        ("roles_have_no_powers_over_the_server", "ALTER ROLE {app} SUPERUSER", "superuser"),
        ("roles_have_no_powers_over_the_server", "ALTER ROLE {vault} BYPASSRLS", "bypasses row security"),
        ("roles_have_no_powers_over_the_server", "ALTER ROLE {extra} CREATEROLE", "creates roles"),
        ("roles_have_no_powers_over_the_server", "ALTER ROLE {extra} REPLICATION", "replicates"),
        (
            "roles_have_no_powers_over_the_server",
            "ALTER ROLE {extra} SUPERUSER; GRANT {extra} TO {app}",
            "may become extra",
        ),
        ("roles_have_no_powers_over_the_server", "GRANT pg_read_all_data TO {app}", "pg_read_all_data"),
        ("services_own_nothing", "ALTER TABLE meta.accounts OWNER TO {app}", "table meta.accounts"),
        ("services_own_nothing", "CREATE SCHEMA mine AUTHORIZATION {vault}", "schema mine"),
        (
            "services_own_nothing",
            "ALTER TABLE meta.accounts OWNER TO {extra}; GRANT {extra} TO {app}",
            "table meta.accounts (as extra",
        ),
        ("roles_have_only_declared_grants", "GRANT ALL ON vault.tokens TO {app}", "on vault.tokens"),
        (
            "roles_have_only_declared_grants",
            "GRANT UPDATE (waba_id) ON meta.accounts TO {app}",
            "meta.accounts.waba_id",
        ),
        ("roles_have_only_declared_grants", "GRANT SELECT ON vault.tokens TO PUBLIC", "PUBLIC"),
        ("roles_have_only_declared_grants", "GRANT SELECT ON meta.accounts TO {app} WITH GRANT OPTION", "grant option"),
        ("roles_have_only_declared_grants", "GRANT {vault} TO {app}", "MEMBER on role vault"),
        (
            "roles_have_only_declared_grants",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA vault GRANT SELECT ON TABLES TO {app}",
            "future tables of postgres in vault",
        ),
        (
            "roles_have_only_declared_grants",
            "CREATE FUNCTION vault.peek() RETURNS bytea LANGUAGE sql SECURITY DEFINER AS 'SELECT sealed FROM vault.tokens'",
            "EXECUTE on vault.peek()",
        ),
        ("roles_have_only_declared_grants", "GRANT CREATE ON DATABASE {database} TO {app}", "CREATE on database"),
        ("kept_apart_columns_stand_apart", "ALTER TABLE vault.tokens ADD waba_id text", "table vault.tokens"),
        ("kept_apart_columns_stand_apart", "CREATE TABLE vault.ids (waba_id text)", "schema vault"),
        (
            "kept_apart_columns_stand_apart",
            "CREATE VIEW meta.x AS SELECT a.waba_id AS number, t.sealed AS thing FROM meta.accounts a, vault.tokens t",
            "view meta.x",
        ),
        (
            "kept_apart_columns_stand_apart",
            """
            CREATE VIEW meta.x AS SELECT sealed AS s FROM vault.tokens;
            CREATE VIEW meta.y AS SELECT a.waba_id AS w, x.s AS t FROM meta.accounts a, meta.x
            """,
            "view meta.y",
        ),
        ("no_role_reads_both_groups", "ALTER ROLE {app} SUPERUSER", "as a superuser"),
        (
            "no_role_reads_both_groups",
            "GRANT USAGE ON SCHEMA vault TO {app}; GRANT SELECT ON vault.tokens TO {app}",
            "vault.tokens.sealed",
        ),
        (
            "no_role_reads_both_groups",
            "GRANT USAGE ON SCHEMA vault TO PUBLIC; GRANT SELECT ON vault.tokens TO PUBLIC",
            "vault.tokens.sealed",
        ),
        ("no_role_reads_both_groups", "ALTER ROLE {app} NOINHERIT; GRANT {vault} TO {app}", "vault.tokens.sealed"),
        ("no_role_reads_both_groups", "GRANT pg_read_all_data TO {auditor}", "vault.tokens.sealed"),
        (
            "no_role_reads_both_groups",
            "CREATE VIEW meta.x AS SELECT sealed AS s FROM vault.tokens; GRANT SELECT ON meta.x TO {app}",
            "meta.x.s (through the view)",
        ),
        (
            "no_role_reads_both_groups",
            "CREATE TABLE vault.all (waba_id text, sealed text); GRANT SELECT ON vault.all TO {vault}",
            "vault.all.waba_id and",
        ),
    ],
)
def test_what_is_beyond_it_fails(server: Server, name: str, script: str, words: str) -> None:
    server.run(script.replace("{database}", str(make_url(server.url).database)))
    assert words in failing(server.check(name))


def test_an_application_that_connects_as_another_role_fails(server: Server) -> None:
    found = server.check("roles_have_no_powers_over_the_server", server.session(connects_as="extra"))
    assert "the application's connection: it is as extra" in failing(found)


def test_a_trigger_function_that_nobody_can_call_is_no_grant(server: Server) -> None:
    server.run("CREATE FUNCTION meta.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    assert not failing(server.check("roles_have_only_declared_grants"))


def test_an_administrator_is_left_out_but_never_a_service(server: Server) -> None:
    server.run("ALTER ROLE {extra} REPLICATION", "ALTER ROLE {app} SUPERUSER")
    extra, app = server.names["extra"], server.names["app"]
    session = server.session(administrators={extra: "takes backups", app: "no", "postgres": "the first role"})
    found = server.check("roles_have_no_powers_over_the_server", session)
    assert any(isinstance(one, LeftOut) and extra in str(one.subject) for one in found)
    assert failing(found).startswith(f"role {app}: superuser")


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("roles_have_no_powers_over_the_server", {"service_roles": ["nobody."]}, "no such role"),
        ("services_own_nothing", {"service_roles": ["nobody."]}, "no such role"),
        ("roles_have_only_declared_grants", {"service_roles": ["nobody."]}, "no grant of it"),
        (
            "kept_apart_columns_stand_apart",
            {"kept_apart": [{**APART, "second": ["vault.tokens.other"]}]},
            "no such column",
        ),
        ("no_role_reads_both_groups", {"kept_apart": [{**APART, "second": ["vault.none.x"]}]}, "no such column"),
    ],
)
def test_what_is_not_there_is_not_seen(server: Server, name: str, changed: dict[str, Any], words: str) -> None:
    assert words in unseen(server.check(name, server.session(**changed)))


@pytest.mark.parametrize("name", ALL)
def test_a_database_that_is_not_there_is_not_seen(session_of: Callable[..., Session], name: str) -> None:
    session = session_of(
        database={"url": "env:AUDITOR", "application_url": "env:AUDITOR"},
        database_access={"application_role": "app", "grants": {}, "kept_apart": [APART]},
        secret_values={"AUDITOR": "postgresql://nobody:nothing@127.0.0.1:1/none"},
    )
    with pytest.raises(Unobservable):
        list(CHECKS[f"database.{name}"].function(session.probe(Privileges)))


def test_nothing_that_is_kept_apart_is_not_seen(server: Server) -> None:
    with pytest.raises(Unobservable, match="names no columns that are kept apart"):
        server.check("kept_apart_columns_stand_apart", server.session(kept_apart=[]))
