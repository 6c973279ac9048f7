"""Django's administration on MariaDB: rights and hashes hold, and the application may change its audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from upheld import Finding, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.audit_log import AuditLog
from upheld.probes.privileges import Privileges

from .conftest import ROOT

FOLDER = ROOT / "examples" / "django_admin"
CHECKS = Catalogue.load(ROOT / "checks")


@pytest.mark.exhaustive
def test_django_admin(as_expected: Callable[[str], None]) -> None:
    as_expected("django_admin")


def test_its_accounts_of_the_database_get_the_expected_verdicts(mariadb: Any, session_of: Callable[..., Any]) -> None:
    from examples.django_admin.start import ACCOUNTS

    passwords = dict.fromkeys(("owner", "app", "auditor"), "of-a-test")
    mariadb.run(None, *ACCOUNTS.replace(" REQUIRE SSL", "").format(**passwords).splitlines())
    columns = "id bigint PRIMARY KEY, timestamp datetime(6), actor_id int, action smallint, object_pk varchar(255), changes json"
    mariadb.run("site", f"CREATE TABLE auditlog_logentry ({columns})")
    mariadb.run("site", "INSERT INTO auditlog_logentry VALUES (1, NOW(), 1, 0, '1', '{}')")
    described = yaml.safe_load((FOLDER / "target.yaml").read_text(encoding="utf-8"))
    expected = yaml.safe_load((FOLDER / "expected.yaml").read_text(encoding="utf-8"))
    session = session_of(
        secret_values={"A": mariadb.url("site", "auditor", "of-a-test"), "B": mariadb.url("site", "app", "of-a-test")},
        database={"url": "env:A", "application_url": "env:B"},
        **{part: described[part] for part in ("database_access", "audit_log")},
    )
    ours = ("role app@", "role owner@", "role auditor@", "role site_app", "application")
    for claim, check, probe in (
        ("database-powers", "database.roles_have_no_powers_over_the_server", Privileges),
        ("database-grants", "database.roles_have_only_declared_grants", Privileges),
        ("audit-log", "audit.application_cannot_change_the_log", AuditLog),
    ):
        # The server has accounts of other tests too.
        found = [one for one in CHECKS[check].function(session.probe(probe)) if any(n in one.subject for n in ours)]
        failed = {one.subject for one in found if isinstance(one, Finding) and not one.passed}
        assert any(isinstance(one, Finding) for one in found)
        assert failed == set(expected[claim].get("refuted", {}))
    with pytest.raises(
        Unobservable, match=expected["database-owners"]["inconclusive"]["database.services_own_nothing"]
    ):
        list(CHECKS["database.services_own_nothing"].function(session.probe(Privileges)))
