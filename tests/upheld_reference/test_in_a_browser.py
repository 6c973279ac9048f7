"""The web application in a real browser: markup stays text, the policy holds, and nothing is asked of anybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from browser import Tab, chromium
from upheld_reference.deployment import Deployment

MARKUP = "<b>bold</b><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[[Deployment], Any]]:
    with chromium() as start:
        yield start


@pytest.fixture(scope="module")
def browser(launch: Callable[[Deployment], Any], deployment: Deployment) -> Any:
    return launch(deployment)


def write(rivet: Any, text: str) -> str:
    conversation = rivet.workspace("acme")["objects"]["conversations"][1]
    body = {"conversation_id": conversation, "text": text}
    assert rivet.call("POST", rivet.path("acme", "/messages"), "acme-owner", json=body).status_code == 201
    return str(conversation)


def test_a_member_reads_markup_as_text(deployment: Deployment, rivet: Any, browser: Any) -> None:
    conversation = write(rivet, MARKUP)
    tab = Tab(browser)
    tab.log_in(deployment, "acme-agent")
    tab.page.goto(f"{deployment.facts['listeners']['app']['url']}/inbox?conversation={conversation}")
    assert MARKUP in tab.page.locator("[data-messages]").inner_text()
    assert tab.page.title() == "Inbox | Rivet"
    # What arrives while the page is open is put in by the script; it stays text too.
    write(rivet, f"later {MARKUP}")
    tab.page.get_by_text(f"later {MARKUP}").last.wait_for(timeout=20_000)
    assert tab.page.locator("[data-messages] b, [data-messages] img, [data-messages] script").count() == 0
    assert tab.page.title() == "Inbox | Rivet"
    assert tab.complaints == [], "no violation of the policy, no error of the script"
    assert {urlsplit(url).hostname for url in tab.requests} == {"app.rivet.example"}


def test_a_visitor_gets_along_without_script(deployment: Deployment, browser: Any) -> None:
    tab = Tab(browser, java_script_enabled=False)
    tab.log_in(deployment, "acme-viewer")
    tab.page.get_by_role("link", name="Settings").click()
    assert "viewer" in tab.page.locator("main").inner_text()
    tab.page.get_by_role("button", name="Log out").click()
    assert tab.page.url.endswith("/login")


def test_the_theme_is_the_readers_choice(deployment: Deployment, browser: Any) -> None:
    tab = Tab(browser)
    url = f"{deployment.facts['listeners']['app']['url']}/login"
    tab.page.goto(url)
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.page.evaluate(background)
    for _ in range(2):
        tab.page.locator("[data-themes]").click()
    assert tab.page.locator("[data-themes]").inner_text() == "Theme: Dark"
    tab.page.goto(url)
    tab.page.locator("html[data-theme=dark]").wait_for()
    assert tab.page.evaluate(background) != light


def test_every_page_is_shown_without_a_complaint(deployment: Deployment, browser: Any) -> None:
    tab = Tab(browser)
    listeners = deployment.facts["listeners"]
    for listener, path in (("www", "/"), ("www", "/security"), ("www", "/privacy"), ("status", "/"), ("app", "/login")):
        answer = tab.page.goto(listeners[listener]["url"] + path)
        assert answer.status == 200
        assert tab.page.locator("main").is_visible()
    assert tab.complaints == []
    public = {facts["host_name"] for facts in listeners.values() if facts["public"]}
    assert {urlsplit(url).hostname for url in tab.requests} <= public


def test_no_script_of_another_page_reads_the_cookies(deployment: Deployment, browser: Any) -> None:
    tab = Tab(browser)
    tab.log_in(deployment, "acme-viewer")
    assert tab.page.evaluate("document.cookie") == ""
    cookie = next(one for one in tab.context.cookies() if one["name"] == "__Host-rivet_session")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")


@pytest.mark.parametrize("sabotage", ["stored_markup_unescaped_in_inbox", "inbox_data_served_as_html"])
def test_a_script_in_a_message_runs(
    batch: Callable[[list[str]], tuple[Deployment, Any]], launch: Callable[[Deployment], Any], sabotage: str
) -> None:
    running, rivet = batch([sabotage])
    conversation = write(rivet, "<script>document.title='run'</script>")
    path = "/inbox.json" if sabotage == "inbox_data_served_as_html" else "/inbox"
    tab = Tab(launch(running))
    tab.log_in(running, "acme-agent")
    tab.page.goto(f"{running.facts['listeners']['app']['url']}{path}?conversation={conversation}")
    tab.page.wait_for_function("document.title === 'run'")


def test_a_script_in_the_login_form_runs(
    batch: Callable[[list[str]], tuple[Deployment, Any]], launch: Callable[[Deployment], Any]
) -> None:
    running, _ = batch(["markup_unescaped_in_login_error"])
    tab = Tab(launch(running))
    query = urlencode({"email": "\"><script>document.title='run'</script>"})
    tab.page.goto(f"{running.facts['listeners']['app']['url']}/login?{query}")
    assert tab.page.title() == "run"
