"""Who may do what in a real MariaDB: accounts, roles, grants, columns kept apart, and the audit log as the application sees it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from upheld import Finding, LeftOut, Refused, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.audit_log import ATTEMPTS, AuditLog
from upheld.probes.base import Session
from upheld.probes.database import Database
from upheld.probes.database_errors import ReadDenied
from upheld.probes.mysql_privileges import EVERYWHERE
from upheld.probes.privileges import Privileges

from ..loopback import ROOT

CHECKS = Catalogue.load(ROOT / "checks")
SCHEMA = (
    "CREATE TABLE accounts (id int PRIMARY KEY, waba varchar(20), phone varchar(20))",
    "CREATE TABLE tokens (id int PRIMARY KEY, sealed blob)",
    "CREATE TABLE log (sequence int PRIMARY KEY, at datetime NOT NULL, what varchar(20) NOT NULL)",
    "INSERT INTO log VALUES (1, NOW(), 'x'), (2, NOW(), 'y')",
)


class Server:
    """A database of one test with an application's account, another service's, an auditor's and a role; roles belong to the server."""

    def __init__(self, mariadb: Any, session_of: Callable[..., Session]) -> None:
        self.mariadb, self.session_of = mariadb, session_of
        self.name = mariadb.database(*SCHEMA)
        self.role = f"r_{secrets.token_hex(6)}"
        mariadb.run(self.name, f"CREATE ROLE {self.role}")
        self.app = mariadb.account(self.name, f"GRANT SELECT, INSERT ON {self.name}.* TO {{account}}")
        self.vault = mariadb.account(self.name, f"GRANT SELECT ON {self.name}.tokens TO {{account}}")
        self.auditor = mariadb.account(
            self.name, f"GRANT SELECT ON {self.name}.* TO {{account}}", "GRANT SELECT ON mysql.* TO {account}"
        )

    def run(self, *statements: str) -> None:
        for one in statements:
            named = one.replace("{role}", self.role).replace("{name}", self.name)
            self.mariadb.run(self.name, named.replace("{app}", self.quoted(self.app)))

    @staticmethod
    def quoted(url: str) -> str:
        return f"'{make_url(url).username}'@'127.0.0.1'"

    @staticmethod
    def called(url: str) -> str:
        return f"{make_url(url).username}@127.0.0.1"

    def session(self, append: str | None = None, **changed: Any) -> Session:
        app, vault, auditor = (self.called(one) for one in (self.app, self.vault, self.auditor))
        access = {
            "application_role": app,
            "service_roles": [vault],
            "grants": {
                app: {self.name: ["SELECT", "INSERT"]},
                vault: {f"{self.name}.tokens": ["SELECT"]},
                auditor: {self.name: ["SELECT"], "mysql": ["SELECT"]},
            },
            "administrators": {"root@127.0.0.1": "the first account"},
            **changed,
        }
        return self.session_of(
            secret_values={"A": self.auditor, "B": self.app},
            database={"url": "env:A", "application_url": "env:B"},
            database_access=access,
            audit_log={
                "table": "log",
                "append": append,
                "columns": {"actor": "what", "action": "what", "target": "what", "outcome": "what"},
            },
        )

    def check(self, name: str, session: Session | None = None) -> dict[str, Any]:
        ours = [self.called(one) for one in (self.app, self.vault, self.auditor)] + [self.role, "PUBLIC"]
        probe = AuditLog if name.startswith("audit.") else Privileges
        found = CHECKS[name].function((session or self.session()).probe(probe))
        return {
            one.subject.removeprefix("role "): one
            for one in found
            if any(mine in one.subject for mine in ours) or not one.subject.startswith("role ")
        }


@pytest.fixture
def server(mariadb: Any, session_of: Callable[..., Session]) -> Server:
    return Server(mariadb, session_of)


def failed(found: dict[str, Any]) -> dict[str, str]:
    return {subject: one.observed for subject, one in found.items() if isinstance(one, Finding) and not one.passed}


def test_an_orderly_server_holds(server: Server) -> None:
    for name in ("roles_have_no_powers_over_the_server", "roles_have_only_declared_grants"):
        found = server.check(f"database.{name}")
        assert found[server.called(server.app)].passed
        assert not failed(found)


@pytest.mark.parametrize(
    ("statements", "powers", "grants"),
    [
        (("GRANT SUPER, SET USER ON *.* TO {app}",), "SUPER; SET USER", "SUPER, SET USER on *"),
        # A role's own privileges over the server are in no view of the information schema.
        (("GRANT FILE ON *.* TO {role}", "GRANT {role} TO {app}"), "which FILE", "MEMBER on role "),
        (("GRANT UPDATE ON mysql.* TO {app}",), "writes the tables of accounts", "UPDATE on mysql"),
        (("GRANT DELETE ON tokens TO {app}",), "", "DELETE on {name}.tokens"),
        (("GRANT UPDATE (phone) ON accounts TO {app}",), "", "UPDATE on {name}.accounts.phone"),
        (("GRANT DROP ON `{name}\\_%`.* TO {app}",), "", "DROP on {name}\\_%"),
        (("GRANT SELECT ON {name}.* TO {app} WITH GRANT OPTION",), "", "SELECT with grant option"),
    ],
)
def test_what_is_too_much_is_found(server: Server, statements: tuple[str, ...], powers: str, grants: str) -> None:
    server.run(*statements)
    app = server.called(server.app)
    found = failed(server.check("database.roles_have_no_powers_over_the_server"))
    assert (powers in found[app]) if powers else app not in found
    assert (
        grants.replace("{name}", server.name) in failed(server.check("database.roles_have_only_declared_grants"))[app]
    )


def test_global_privileges_are_named_as_the_server_names_them(server: Server) -> None:
    privileges = server.session().probe(Privileges)
    ours = {one.privilege for one in privileges.granted() if (one.role, one.object) == ("root@127.0.0.1", EVERYWHERE)}
    with server.mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT privilege_type FROM information_schema.user_privileges WHERE grantee LIKE '%root%'")
        assert ours == {row[0] for row in cursor.fetchall()}
    assert privileges.application_role() == server.called(server.app)
    with pytest.raises(Unobservable, match="no owners of objects"):
        privileges.owned()


def test_what_everybody_may_is_listed(server: Server) -> None:
    server.run("GRANT {role} TO {app}", f"GRANT SELECT ON {server.name}.tokens TO PUBLIC")
    try:
        found = failed(server.check("database.roles_have_only_declared_grants"))
        assert f"{server.name}.tokens" in found["PUBLIC"]
        roles = {role.name: role for role in server.session().probe(Privileges).roles()}
        assert set(roles[server.called(server.app)].may_become) == {server.role, "PUBLIC"}
        assert not roles[server.role].can_login
    finally:
        server.run(f"REVOKE SELECT ON {server.name}.tokens FROM PUBLIC")


def test_an_auditor_who_may_not_read_the_accounts_sees_nothing(server: Server) -> None:
    server.run(f"REVOKE SELECT ON mysql.* FROM {server.quoted(server.auditor)}")
    for look in ("roles", "granted"):
        with pytest.raises(Unobservable, match="may not read all of mysql"):
            getattr(server.session().probe(Privileges), look)()


def test_columns_are_kept_apart(server: Server) -> None:
    kept = {
        "name": "ids and tokens",
        "first": [f"{server.name}.accounts.waba"],
        "second": [f"{server.name}.tokens.sealed"],
        "exempt_roles": {"root@127.0.0.1": "the first account"},
    }
    session = server.session(kept_apart=[kept])
    with pytest.raises(Unobservable, match="GRANT REFERENCES"):
        session.probe(Privileges).apart("ids and tokens")
    server.run(f"GRANT REFERENCES ON *.* TO {server.quoted(server.auditor)}")
    found = failed(server.check("database.no_role_reads_both_groups", server.session(kept_apart=[kept])))
    assert set(found) == {server.called(server.app), server.called(server.auditor)}
    # Both groups stand in one database, which is what a schema is elsewhere.
    apart = server.check("database.kept_apart_columns_stand_apart", server.session(kept_apart=[kept]))
    assert list(failed(apart)) == [f"schema {server.name}"]
    server.run(
        "CREATE VIEW both_of_them AS SELECT a.waba AS x, t.sealed AS y FROM accounts a JOIN tokens t ON t.id = a.id"
    )
    with pytest.raises(Unobservable, match="which columns a view reads"):
        server.session(kept_apart=[kept]).probe(Privileges).apart("ids and tokens")


def attempts(server: Server) -> dict[str, tuple[bool, int]]:
    log = server.session().probe(AuditLog)
    return {what: ((one := log.attempt(what)).denied, one.rows) for what in ATTEMPTS}


def rows(server: Server) -> int:
    with server.mariadb.connect(server.name) as connection, connection.cursor() as cursor:
        return int(cursor.execute("SELECT * FROM log"))


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ((), {}),
        (("GRANT DELETE ON log TO {app}",), {"delete": 1}),
        (("GRANT UPDATE (what) ON log TO {app}",), {"update": 1}),
        (("GRANT DROP ON log TO {app}",), {"truncate": 0}),
        (("GRANT DELETE, TRIGGER ON log TO {app}",), {"delete": 1, ATTEMPTS[3]: 1}),
        (("GRANT TRIGGER ON log TO {app}",), {}),
        # A role that the application takes on when it likes to.
        (("GRANT DELETE ON log TO {role}", "GRANT {role} TO {app}"), {"delete": 1}),
        (
            (
                "GRANT DELETE ON log TO {app}",
                "CREATE TRIGGER kept BEFORE DELETE ON log FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'append only'",
            ),
            {},
        ),
    ],
)
def test_changing_the_log_is_tried_and_nothing_changes(
    server: Server, statements: tuple[str, ...], allowed: dict[str, int]
) -> None:
    server.run(*statements)
    expected = {what: (what not in allowed, allowed.get(what, 0)) for what in ATTEMPTS}
    assert attempts(server) == expected
    assert rows(server) == 2
    found = server.check("audit.application_cannot_change_the_log")
    assert {subject.partition(",")[0] for subject in failed(found)} == set(allowed)


def test_an_application_that_takes_on_a_role_is_let_near_the_log_by_it(server: Server) -> None:
    # What lets it connect to the database is another right.
    server.run("REVOKE ALL ON {name}.* FROM {app}", "GRANT SHOW VIEW ON {name}.* TO {app}")
    server.run("GRANT SELECT, INSERT ON {name}.* TO {role}", "GRANT {role} TO {app}")
    assert (control := server.session().probe(AuditLog).control()).reads
    assert control.rows == 2
    insert = "INSERT INTO log VALUES (3, NOW(), 'z')"
    session = server.session(append=insert)
    assert session.probe(AuditLog).control().appends
    server.run("REVOKE {role} FROM {app}")
    control = server.session(append=insert).probe(AuditLog).control()
    assert (control.reads, control.appends) == (False, False)
    assert rows(server) == 2


def test_an_application_that_may_not_connect_is_not_taken_for_one_that_may_not_read(server: Server) -> None:
    server.run("REVOKE ALL ON {name}.* FROM {app}")
    with pytest.raises(Refused) as caught:
        server.session().probe(AuditLog).attempt("delete")
    assert not isinstance(caught.value, ReadDenied)
    with pytest.raises(Refused):
        server.session().probe(Database).rows_without_tenant("log")


def test_rows_that_a_role_reads_are_read_by_whoever_may_take_it_on(server: Server) -> None:
    server.run("REVOKE ALL ON {name}.* FROM {app}", "GRANT SHOW VIEW ON {name}.* TO {app}")
    assert server.session().probe(Database).rows_without_tenant("log").denied
    server.run("GRANT SELECT ON {name}.log TO {role}", "GRANT {role} TO {app}")
    read = server.session().probe(Database).rows_without_tenant("log")
    assert (read.rows, read.denied, read.control_rows) == (2, False, 2)


def test_nothing_is_tried_that_could_not_be_rolled_back(server: Server) -> None:
    server.run(
        "GRANT DELETE ON {name}.* TO {app}",
        "CREATE TABLE other (id int) ENGINE=MyISAM",
    )
    with pytest.raises(Unobservable, match="other has an engine without transactions"):
        server.session().probe(AuditLog).attempt("delete")
    found = server.check("audit.application_cannot_change_the_log")
    assert not any(isinstance(one, Finding) for one in found.values())
    assert not any(isinstance(one, LeftOut) for one in found.values())
    assert rows(server) == 2
