"""The checks of pages against a real small web application, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.chromium import PROGRAMS

from ..input_tenants import InputTenants
from ..two_tenants import secret_values

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
MARKUP = "outputs.stored_markup_comes_back_encoded"
DATA = "outputs.data_for_pages_is_no_page"
Found = list[Finding | NotObserved | LeftOut]
needs_browser = pytest.mark.skipif(
    not any(shutil.which(name) for name in PROGRAMS), reason=f"none of {', '.join(PROGRAMS)} is on PATH"
)


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[Found, InputTenants, Any]]:
    """Runs a check against a server with these switches; keywords replace parts of the target's `browsing`."""

    def call(name: str, *switches: str, **browsing: Any) -> tuple[Found, InputTenants, Any]:
        with InputTenants(tmp_path / "security.log", *switches).serving() as server:
            target = server.target()
            session = session_of(
                secret_values=secret_values(), **{**target, "browsing": {**target["browsing"], **browsing}}
            )
            one = CHECKS[name]
            with session.recording("t") as recorder:
                found = list(one.function(*(session.probe(kind) for kind in one.probes.values())))
            session.close()
        return found, server, recorder

    return call


def failed(found: Found) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: Found) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


@needs_browser
def test_markup_that_stays_text_passes_and_is_removed(run: Any) -> None:
    found, server, recorder = run(MARKUP)
    assert failed(found) == unseen(found) == []
    # Three pieces of markup, on a page and in data, and three in a link.
    assert sum(isinstance(one, Finding) for one in found) == 9
    assert server.notes == {}
    opened = [one.value for one in recorder.observations if one.look == "open"]
    assert any("https://elsewhere.example/x.png" in one["blocked"] for one in opened)
    assert "session-of-ada" not in str(recorder.observations)


@needs_browser
@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (("raw notes",), "/web/notes?of={note}: a script between elements in a note: a script in it ran"),
        (("raw notes", "strict policy"), "it became an element, though no script of it ran"),
        (("raw echo",), "/web/login, parameter user, with out of a value in double quotes: a script in it ran"),
        (("data as html",), "/web/notes.json: a script between elements in a note: a script in it ran on text/html"),
    ],
)
def test_markup_that_is_taken_for_markup_is_found(run: Any, switches: tuple[str, ...], words: str) -> None:
    found, server, _ = run(MARKUP, *switches)
    assert any(words in one for one in failed(found)), failed(found)
    assert server.notes == {}


@needs_browser
def test_a_page_that_refuses_markup_in_its_link_passes(run: Any) -> None:
    found, _, _ = run(MARKUP, "login refuses to be filled in")
    assert failed(found) == unseen(found) == []
    refused = [str(one.subject) for one in found if isinstance(one, Finding) and one.observed == "refused with 400"]
    assert len(refused) == 3
    assert all(one.startswith("/web/login, parameter user") for one in refused)


@needs_browser
@pytest.mark.parametrize(
    ("switch", "status"), [("login breaks when filled in", 500), ("login forgets what was filled in", 200)]
)
def test_a_page_that_breaks_or_forgets_what_a_link_puts_into_it_is_not_observed(
    run: Any, switch: str, status: int
) -> None:
    found, _, _ = run(MARKUP, switch)
    assert failed(found) == []
    assert len(unseen(found)) == 3
    assert all("/web/login, parameter user, with " in one and f"it answered {status}" in one for one in unseen(found))


@needs_browser
def test_markup_that_no_page_shows_is_not_observed(run: Any) -> None:
    found, _, _ = run(MARKUP, "shows nothing")
    assert sum("no page and no data shows it" in one for one in unseen(found)) == 3


@needs_browser
@pytest.mark.parametrize(
    ("browsing", "words"),
    [
        ({"stores": []}, "names no objects that pages show"),
        ({"pages": [], "data": []}, "names no objects that pages show"),
    ],
)
def test_pages_that_are_not_described_are_not_seen(run: Any, browsing: dict[str, Any], words: str) -> None:
    with pytest.raises(Unobservable, match=words):
        run(MARKUP, **browsing)


@needs_browser
def test_a_login_that_is_refused_shows_nothing(run: Any) -> None:
    login = {"page": "/web/login", "fields": {"user": "{user}", "password": "{password}"}, "hidden": []}
    found, _, _ = run(MARKUP, login=login)
    assert any("was refused: it answered 403" in one for one in unseen(found))
    assert not any(isinstance(one, Finding) and "/web/notes" in str(one.subject) for one in found)


def test_without_a_browser_nothing_is_seen(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unobservable, match="there is no browser: install one"):
        run(MARKUP)


@needs_browser
def test_a_browser_that_runs_no_scripts_shows_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = next(found for name in PROGRAMS if (found := shutil.which(name)))
    program = tmp_path / "bin" / "chromium"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {real} --blink-settings=scriptEnabled=false "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    with pytest.raises(Unobservable, match="does not show a page that takes markup for markup"):
        run(MARKUP)


def test_a_browser_that_ends_at_once_shows_nothing(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unobservable, match="the browser has ended"):
        run(MARKUP)


def test_data_is_data(run: Any) -> None:
    found, server, _ = run(DATA)
    assert failed(found) == unseen(found) == []
    assert sum(isinstance(one, Finding) for one in found) == 2
    assert server.notes == {}


@pytest.mark.parametrize(
    ("switch", "words"),
    [("data as html", "data served as text/html"), ("may be guessed", "without X-Content-Type-Options: nosniff")],
)
def test_data_that_could_be_a_page_is_found(run: Any, switch: str, words: str) -> None:
    assert any(words in one for one in failed(run(DATA, switch)[0]))
