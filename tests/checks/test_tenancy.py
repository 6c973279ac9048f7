"""The tenancy checks against a real small API: its defects are found, and its traps are not taken for defects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.api import Api
from upheld.probes.database import Database

from ..two_tenants import PASSWORDS, TENANT_OF, TwoTenants, secret_values

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
Found = list[Finding | NotObserved | LeftOut]


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[Found, TwoTenants]]:
    """Runs a tenancy check against a server with these switches; `api` replaces parts of the target's description."""

    def call(name: str, *switches: str, **api: Any) -> tuple[Found, TwoTenants]:
        with TwoTenants(tmp_path / "security.log", *switches).serving() as server:
            session = session_of(secret_values=secret_values(), **server.target(**api))
            with session.recording("t"):
                found = list(CHECKS[f"tenancy.{name}"].function(session.probe(Api)))
        return found, server

    return call


@pytest.fixture
def third_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a third tenant, green, in beside red and blue."""
    monkeypatch.setitem(PASSWORDS, "cyd", "correct-horse-4")
    monkeypatch.setitem(TENANT_OF, "cyd", "green")


def failed(found: Found) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: Found) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


IDENTIFIERS = "foreign_identifiers_are_refused"
LISTINGS = "listings_show_only_the_own_tenant"


@pytest.mark.parametrize("name", [IDENTIFIERS, LISTINGS])
@pytest.mark.parametrize(
    "switches",
    [
        (),
        ("refused by text",),
        # What is changed is named again in the body, and may be, if it is the same.
        ("notes name themselves",),
        # What the harness makes of its own shows in what was there before.
        ("notes are counted",),
    ],
)
def test_a_sound_api_passes_and_nothing_is_left_behind(run: Any, name: str, switches: tuple[str, ...]) -> None:
    found, server = run(name, *switches)
    assert failed(found) == []
    assert unseen(found) == []
    assert any(isinstance(one, Finding) for one in found)
    assert server.notes == {}


def test_every_place_of_an_identifier_is_tried_for_both_pairs(run: Any) -> None:
    subjects = {str(one.subject) for one in run(IDENTIFIERS)[0] if isinstance(one, Finding)}
    for place in (
        "path tenant_id of red, as blue",
        "path note_id of blue, as red",
        "path tenant_id and path note_id of red, as blue",
        "query note_id of red, as blue",
        "header X-Note-Id of red, as blue",
        "body targets[].note_id of red, as blue",
    ):
        assert any(place in subject for subject in subjects), place


@pytest.mark.parametrize(
    ("switch", "operation", "words"),
    [
        ("foreign GET", "getNote", "red's data in it"),
        ("foreign PATCH", "changeNote", "object changed: /text"),
        ("foreign DELETE", "deleteNote", "object changed: (gone)"),
        ("refuses and does it", "changeNote", "answered 404, and red's object changed"),
        ("nested unchecked", "addLink", "accepted in the body"),
        ("foreign header", "picked", "red's data in it"),
        ("foreign query", "history", "red's data in it"),
    ],
)
def test_a_foreign_identifier_that_works_is_a_failure_of_that_operation(
    run: Any, switch: str, operation: str, words: str
) -> None:
    found, _ = run(IDENTIFIERS, switch)
    assert failed(found)
    assert all(one.startswith(operation) for one in failed(found))
    assert any(words in one for one in failed(found))


@pytest.mark.usefixtures("third_tenant")
def test_a_change_that_comes_only_later_is_seen_by_who_tries_next(run: Any) -> None:
    found, _ = run(IDENTIFIERS, "refuses and does it later")
    assert any(one.startswith("changeNote") and "object changed: /text" in one for one in failed(found)), failed(found)


@pytest.mark.parametrize(
    ("switches", "operation", "words"),
    [
        (("foreign GET", "foreign text masked"), "getNote", "values that only red has"),
        # The caller's own note, under the address of the other tenant.
        (("any tenant for PATCH",), "changeNote", "as if it were allowed"),
        # What is made has no operation that reads it.
        (("any tenant for POST",), "addLink", "as if it were allowed"),
        (("any tenant for POST", "made where the path says"), "addNote", "made an object in red"),
        # It is the caller's own too.
        (("any tenant for POST", "foreign GET"), "addNote", "made an object in red"),
    ],
)
def test_an_address_of_another_tenant_that_works_is_a_failure(
    run: Any, switches: tuple[str, ...], operation: str, words: str
) -> None:
    found, _ = run(IDENTIFIERS, *switches)
    assert any(one.startswith(operation) and words in one for one in failed(found)), failed(found)


def test_what_was_made_with_the_caller_under_another_tenants_address_is_no_failure(run: Any) -> None:
    found, _ = run(IDENTIFIERS, "any tenant for POST")
    assert not [one for one in failed(found) if one.startswith("addNote")]
    assert any("what it made is the caller's own" in one.observed for one in found if isinstance(one, Finding))


def test_what_was_made_and_cannot_be_read_is_a_failure(run: Any) -> None:
    unread = {"note": {"create": "addNote", "json": {"text": "{search} {canary}"}, "delete": "deleteNote"}}
    found, _ = run(IDENTIFIERS, "any tenant for POST", objects=unread)
    assert any(one.startswith("addNote") and "as if it were allowed" in one for one in failed(found))


@pytest.mark.parametrize("trap", ["update hits the caller", "delete pretends"])
def test_a_success_that_changes_nothing_of_the_owner_is_no_failure(run: Any, trap: str) -> None:
    found, _ = run(IDENTIFIERS, trap)
    assert failed(found) == []
    assert unseen(found) == []
    assert any("nothing of red changed" in one.observed for one in found if isinstance(one, Finding))


def test_a_redirect_to_a_login_page_is_a_refusal_only_where_the_target_says_so(run: Any) -> None:
    found, _ = run(IDENTIFIERS, "refused by redirect", refused={"statuses": [302, 401, 404]})
    assert failed(found) == unseen(found) == []
    found, _ = run(IDENTIFIERS, "refused by redirect")
    assert failed(found) == []
    assert any("neither success nor refusal" in one for one in unseen(found))


def test_an_operation_whose_own_use_has_no_effect_proves_nothing(run: Any) -> None:
    found, _ = run(IDENTIFIERS, "delete never deletes", "delete pretends")
    assert failed(found) == []
    assert any(one.startswith("deleteNote") and "not even with own identifiers" in one for one in unseen(found))


def test_what_the_target_does_not_explain_is_not_observed(run: Any) -> None:
    found, _ = run(IDENTIFIERS, operations={}, parameters={"note_id": "note"}, excluded={"search": "slow"})
    assert any(one.startswith("changeNote") and "no recipe for its body" in one for one in unseen(found))
    assert any(one.startswith("picked") and "header X-Note-Id" in one for one in unseen(found))
    assert [(str(one.subject).partition(" ")[0], one.reason) for one in found if isinstance(one, LeftOut)] == [
        ("login", "it takes no identifier"),
        ("search", "slow"),
    ]


@pytest.mark.parametrize("switch", ["document hides notes", "document for members"])
def test_what_the_document_shows_only_to_members_is_tried_too(run: Any, switch: str) -> None:
    found, _ = run(IDENTIFIERS, switch, "foreign GET")
    assert failed(found)
    assert all(one.startswith("getNote") for one in failed(found))


def test_an_object_that_cannot_be_made_is_the_reason(run: Any) -> None:
    broken = {"note": {"create": "addNote", "json": {"wrong": "x"}, "read": "getNote", "delete": "deleteNote"}}
    found, _ = run(IDENTIFIERS, objects=broken)
    assert any("a note could not be made: addNote answered 422" in one for one in unseen(found))


def test_a_status_that_is_neither_success_nor_refusal_is_not_observed(run: Any) -> None:
    found, _ = run(IDENTIFIERS, refused={"statuses": [403]})
    assert failed(found) == []
    assert any("neither success nor refusal" in one for one in unseen(found))


def test_a_search_that_leaks_is_found_although_it_repeats_the_query(run: Any) -> None:
    found, _ = run(LISTINGS, "search leaks")
    assert sorted(failed(found)) == [
        "search (GET /t/{tenant_id}/search) of blue: shows data of red",
        "search (GET /t/{tenant_id}/search) of red: shows data of blue",
    ]


def test_a_listing_without_texts_is_compared_by_identifiers(run: Any) -> None:
    found, _ = run(LISTINGS, "index of ids")
    assert failed(found) == unseen(found) == []
    assert any("none of which another tenant's answer has" in one.observed for one in found if isinstance(one, Finding))
    found, _ = run(LISTINGS, "index leaks")
    assert [one.partition(" ")[0] for one in failed(found)] == ["index", "index"]
    assert all("identifiers in common" in one for one in failed(found))
    found, _ = run(LISTINGS, "index empty for red")
    assert failed(found) == []
    assert [one.partition(" ")[0] for one in unseen(found)] == ["index", "index"]


@pytest.mark.usefixtures("third_tenant")
def test_a_listing_is_compared_with_that_of_every_other_tenant(run: Any) -> None:
    found, _ = run(LISTINGS, "index empty for red")
    assert failed(found) == []
    assert [one.partition(" of ")[2].partition(":")[0] for one in unseen(found)] == ["red", "blue", "green"]


def test_a_listing_that_takes_a_tenant_is_judged_although_it_is_called_public(run: Any) -> None:
    found, _ = run(LISTINGS, "anybody searches", "search leaks")
    assert [one.partition(" ")[0] for one in failed(found)] == ["search", "search"]


def test_operations_that_are_shared_by_design_are_left_out(run: Any) -> None:
    found, _ = run(LISTINGS, "search leaks", shared={"search": "a public board"})
    assert failed(found) == []
    assert [one.reason for one in found if isinstance(one, LeftOut)] == ["a public board"]


SCHEMA = """
CREATE TABLE notes (id int, tenant int);
INSERT INTO notes VALUES (1, 1), (2, 2);
CREATE TABLE boards (id int, tenant int);
INSERT INTO boards VALUES (1, 1);
CREATE TABLE empty (id int, tenant int);
"""
SECURE = (
    "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY; ALTER TABLE {0} FORCE ROW LEVEL SECURITY; CREATE POLICY own ON {0} \
USING (tenant = nullif(current_setting('app.tenant', true), '')::int);"
)


def database_of(postgres: Any, session_of: Callable[..., Any], *scripts: str) -> Any:
    url = postgres.database(SCHEMA, *scripts)
    application = postgres.role(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    return session_of(
        secret_values={"TEST_URL": url, "TEST_APPLICATION": application},
        database={
            "url": "env:TEST_URL",
            "application_url": "env:TEST_APPLICATION",
            "tenant_column": "tenant",
            "shared_tables": {"boards": "boards are for everybody"},
        },
    ).probe(Database)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", ""),
        ("ALTER TABLE notes DISABLE ROW LEVEL SECURITY", "row security is off"),
        ("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY", "not forced"),
        ("DROP POLICY own ON notes", "there is no policy"),
    ],
)
def test_row_security_of_each_table(postgres: Any, session_of: Any, script: str, words: str) -> None:
    scripts = [SECURE.format("notes"), SECURE.format("empty"), *([script] if script else [])]
    database = database_of(postgres, session_of, *scripts)
    found = list(CHECKS["tenancy.row_security_is_forced"].function(database))
    assert [one.reason for one in found if isinstance(one, LeftOut)] == ["boards are for everybody"]
    assert failed(found) == (
        [f"public.notes: {one.observed}" for one in found if str(one.subject) == "public.notes"] if words else []
    )
    assert all(words in one for one in failed(found))


def test_rows_that_are_readable_without_a_tenant(postgres: Any, session_of: Any) -> None:
    name = "tenancy.nothing_is_readable_without_a_tenant"
    sound = list(
        CHECKS[name].function(database_of(postgres, session_of, SECURE.format("notes"), SECURE.format("empty")))
    )
    assert failed(sound) == []
    assert unseen(sound) == ["public.empty: the table has no rows, so that reading none of them shows nothing"]
    open_to_all = list(CHECKS[name].function(database_of(postgres, session_of, SECURE.format("empty"))))
    assert failed(open_to_all) == ["public.notes: 2 rows are readable without a tenant"]
