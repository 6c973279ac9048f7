"""The check that the published page and the policy say the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld.errors import Unobservable
from upheld.model import Finding
from upheld.probes.html_text import MAX_TAGS, content, normalise, sentences
from upheld.probes.publication import Publication

from ..loopback import Pki, endpoint, load_checks, server_context, web

checks = load_checks("publication")
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = """<!doctype html><title>Security</title><header><p>We are the best.</p></header>
<main><nav><a href="/">Home</a> / <b>Security</b></nav><h1>Security</h1>
<dl><div><dt>Retention</dt><dd><strong>90 days</strong></dd></div></dl>
<p>Logs are kept for 90&nbsp;days, e.g. those of <a href="/m">messages</a>. Tokens aren’t
logged.</p><ul><li>Backups: encrypted</li></ul></main><footer>All rights reserved.</footer>"""
POLICY = {
    "retention": ("Logs are kept for 90 days, e.g. those of messages.", "Retention", "90 days"),
    "tokens": ("Tokens aren't logged.",),
    "backups": ("Backups: encrypted",),
}
NO_PROMISE = ("Home / Security", "Security")


@pytest.fixture
def audit(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., list[Finding]]:
    context = server_context(Pki(tmp_path).issue("www.rivet.example"))

    def run(
        page: str, *, status: int = 200, headers: dict[str, str] = HTML, policy: Any = POLICY, main: str = "main"
    ) -> list[Finding]:
        with web({"/security": (status, headers, page.encode())}, context) as port:
            publication = {"page": f"https://www.rivet.example:{port}/security", "main": main}
            session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem", publication=publication)
            session.policy_sentences, session.no_promise = policy, NO_PROMISE
            with session.recording("t"):
                return list(checks.page_matches_policy(session.probe(Publication)))

    return run


def failed(found: list[Finding]) -> dict[str, str]:
    return {str(one.subject): one.observed for one in found if not one.passed}


def test_same_words_in_other_dress_are_upheld(audit: Callable[..., list[Finding]]) -> None:
    found = audit(PAGE)
    assert failed(found) == {}
    assert len(found) == 7 + 5 + 1


def test_statement_of_several_sentences_is_cut_like_the_page(audit: Callable[..., list[Finding]]) -> None:
    policy = {
        **POLICY,
        "retention": (
            "Logs are kept for 90 days, e.g. those of messages. Tokens aren’t logged",
            "Retention",
            "90 days",
        ),
    }
    assert failed(audit(PAGE, policy=policy)) == {}


def test_new_sentence_is_uncovered(audit: Callable[..., list[Finding]]) -> None:
    found = audit(PAGE.replace("</ul>", "<li>Penetration tests are carried out every quarter</li></ul>"))
    assert failed(found) == {
        "page: Penetration tests are carried out every quarter": "uncovered: no claim carries this sentence"
    }


def test_new_sentence_inside_an_old_paragraph_is_found(audit: Callable[..., list[Finding]]) -> None:
    assert list(failed(audit(PAGE.replace("logged.</p>", "logged. We are certified.</p>")))) == [
        "page: We are certified"
    ]


def test_removed_sentence_is_stale(audit: Callable[..., list[Finding]]) -> None:
    found = audit(PAGE.replace("<li>Backups: encrypted</li>", ""))
    assert failed(found) == {"backups: Backups: encrypted": "stale: the page no longer says it"}


@pytest.mark.parametrize(
    "dress", ["<li hidden>", "<li style='display: none'>", "<li><del>", "<!-- <li> -->", "<template><li>", "<script>"]
)
def test_hidden_or_struck_sentence_is_no_longer_said(audit: Callable[..., list[Finding]], dress: str) -> None:
    page = PAGE.replace(
        "<li>Backups: encrypted</li>",
        f"{dress}Backups: encrypted</li>" if "--" not in dress else "<!--<li>Backups: encrypted</li>-->",
    )
    assert "backups: Backups: encrypted" in failed(audit(page))


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("for 90&nbsp;days", "for 60 days", "90 -> 60"),
        ("aren’t\nlogged", "are logged", "aren't -> are"),
        ("Tokens aren’t", "Tokens weren’t", "aren't -> weren't"),
        ("are kept", "are not kept", "nothing -> not"),
    ],
)
def test_changed_words_are_named(audit: Callable[..., list[Finding]], before: str, after: str, change: str) -> None:
    assert before in PAGE
    found = failed(audit(PAGE.replace(before, after)))
    assert len(found) == 2
    for observed in found.values():
        if len(observed) > 70:
            assert observed.startswith("changed: ")
            assert f"({change})" in observed


def test_promise_outside_the_main_content_is_not_read_and_said_so() -> None:
    assert "outside the main content" in (checks.page_matches_policy.__doc__ or "")


@pytest.mark.parametrize(
    ("page", "more", "reason"),
    [
        (PAGE, {"status": 503}, "answered 503"),
        (PAGE, {"status": 404}, "answered 404"),
        (PAGE, {"status": 302, "headers": {"Location": "https://login.example.com/"}}, "was not followed"),
        (PAGE, {"headers": {"Content-Type": "application/json"}}, "not HTML"),
        (PAGE, {"main": "#content"}, "no element that matches"),
        (PAGE, {"main": ":::["}, "cannot be searched"),
        ("<main><script>render()</script></main>", {}, "made by a script"),
        ("<main>" + "<div>" * (MAX_TAGS + 1), {}, "more than the"),
        (PAGE, {"policy": {}}, "no policy"),
    ],
)
def test_what_cannot_be_compared_is_unobservable(
    audit: Callable[..., list[Finding]], page: str, more: Any, reason: str
) -> None:
    with pytest.raises(Unobservable, match=reason):
        audit(page, **more)


def test_target_without_publication_is_unobservable(session_of: Callable[..., Any]) -> None:
    with pytest.raises(Unobservable, match="describes no publication"):
        list(checks.page_matches_policy(session_of().probe(Publication)))


def test_normal_form_keeps_words_numbers_and_negations() -> None:
    assert normalise("• It’s “kept” for\u00a090\u200b days.") == 'It\'s "kept" for 90 days'
    assert normalise("Wait...") == "Wait..."
    assert normalise("TLS 1.2+") != normalise("TLS 1.2")
    assert normalise("90 days") != normalise("9.0 days")
    assert list(sentences("See status.rivet.dev. It works! Really? Yes (e.g. Mr. Smith) vs. others.")) == [
        "See status.rivet.dev",
        "It works!",
        "Really?",
        "Yes (e.g. Mr. Smith) vs. others",
    ]


def test_links_and_nested_roots_are_read_once() -> None:
    found = content(
        "<main>a <main>b</main> <a href='/x'>see\n<b>this</b></a> <a href='mailto:a@b.c'>mail</a></main>",
        "main",
        "https://h/p/",
    )
    assert found.sentences == ("a", "b", "see this mail")
    assert [(link.text, link.url) for link in found.links] == [("see this", "https://h/x"), ("mail", "mailto:a@b.c")]


def test_deepest_page_that_is_read_is_read() -> None:
    deep = "<main>" + "<div>" * (MAX_TAGS - 1) + "The end."
    assert content(deep, "main", "https://h/").sentences == ("The end",)


def test_reference_page_and_policy_sentences_agree_on_the_published_text() -> None:
    """Every line of the published page cuts into sentences, none of which is lost or empty."""
    text = (Path(__file__).parents[1] / "data" / "published-security-page.txt").read_text(encoding="utf-8")
    found = [sentence for line in text.splitlines() for sentence in sentences(line)]
    assert "We do not store plaintext credentials anywhere in the system" in found
    assert "Platform uptime monitored continuously — see status.rivetsoftware.dev" in found
    assert "Rivet runs on a dedicated VDS hosted in Germany (Hetzner)" in found
    assert all(found)


def test_lines_that_are_put_together_or_taken_apart_say_the_same(audit: Callable[..., list[Finding]]) -> None:
    page = PAGE.replace("<dt>Retention</dt><dd><strong>90 days</strong></dd>", "<p>RETENTION – 90 days</p>")
    page = page.replace("<li>Backups: encrypted</li>", "<table><tr><td>Backups</td><td>encrypted</td></tr></table>")
    assert failed(audit(page)) == {}


def test_figures_that_changed_places_are_found(audit: Callable[..., list[Finding]]) -> None:
    policy = {**POLICY, "keys": ("Encryption", "AES-256")}
    right = PAGE.replace("</dl>", "<div><dt>Encryption</dt><dd>AES-256</dd></div></dl>")
    assert failed(audit(right, policy=policy)) == {}
    swapped = right.replace("AES-256", "?").replace("90 days</strong>", "AES-256</strong>").replace("?", "90 days")
    found = failed(audit(swapped, policy=policy))
    assert found == {
        "retention: Retention / 90 days": "'AES-256' follows 'Retention'",
        "keys: Encryption / AES-256": "'90 days' follows 'Encryption'",
    }
