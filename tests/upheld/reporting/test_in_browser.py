"""The page in a real browser: filtered, linked to, copied from, by keyboard, by a screen reader, on a phone and on paper."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from browser import Tab
from upheld.model import Run, Severity, Status, Verdict
from upheld.reporting import html

from . import sample
from . import test_charts as recorded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., Tab]
VISIBLE = "() => [...document.querySelectorAll('.claim')].filter(one => one.checkVisibility()).map(one => one.id)"
MILLION = "long " + "x" * 1_000_000


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a run in a tab of its own; a page that asks for anything or complains fails the test."""
    tabs: list[Tab] = []

    def opened(run: Run | None = None, at: str = "", **options: Any) -> Tab:
        file = tmp_path / "report.html"
        html.write(run or sample.full(), file)
        tab = Tab(browser, **options)
        tab.page.on("dialog", lambda dialog: tab.complaints.append(f"a dialog: {dialog.message}"))
        tabs.append(tab)
        tab.page.goto(file.as_uri() + at)
        return tab

    yield opened
    for tab in tabs:
        assert {one.partition("#")[0] for one in tab.requests} == {(tmp_path / "report.html").as_uri()}
        assert tab.complaints == []
        tab.context.close()


def visible(page: Page) -> list[str]:
    return [name.removeprefix("claim-") for name in page.evaluate(VISIBLE)]


def said(page: Page) -> str:
    return " ".join(page.locator(".said").filter(visible=True).all_inner_texts())


def pictured() -> Run:
    """The full sample with a chart of each kind: cells of every shade, bars and moments."""
    run = sample.full()
    kept = recorded.everything()
    first = dataclasses.replace(kept.claims[0], id="drawn", section="Drawn")
    return dataclasses.replace(run, claims=(*run.claims, first), planned=run.planned + len(first.checks))


def test_a_filter_shows_what_matches_and_says_what_it_hides(show: Open) -> None:
    page = show().page
    everything = visible(page)
    assert len(everything) == 10
    assert said(page) == ""
    page.get_by_role("radio", name="attested").check()
    assert visible(page) == ["meta-bsp"]
    assert said(page) == (
        "Showing 1 of 10 claims; hidden by this filter: 1 refuted, 2 inconclusive, 1 lapsed, 3 uncovered, 2 upheld."
    )
    assert page.locator("#said").evaluate("one => getComputedStyle(one).position") == "sticky"
    page.get_by_role("radio", name="all").check()
    page.get_by_role("combobox", name="Severity").select_option("high")
    page.get_by_role("combobox", name="Owner").select_option("engineering")
    assert visible(page) == ["rate-limits"]
    assert "refuted" not in said(page)
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("combobox", name="Framework").select_option("POPIA")
    assert visible(page) == ["transit-tls12"]
    page.get_by_role("button", name="Show all").click()
    assert (visible(page), said(page)) == (everything, "")


def test_text_is_sought_in_claims_and_in_their_folded_evidence(show: Open) -> None:
    page = show().page
    page.get_by_role("searchbox").fill("PARTNER  events")
    assert visible(page) == ["rate-limits"]
    page.get_by_role("searchbox").fill("protocol_version")
    assert visible(page) == ["transit-tls12", "transit-internal-mtls", "access-reviewed", "meta-bsp"]
    page.get_by_role("searchbox").fill("no such words")
    assert visible(page) == []
    assert page.locator(".group").filter(visible=True).count() == 0
    assert said(page).startswith("Showing 0 of 10 claims; hidden by this filter: 1 refuted")


def test_a_filter_can_be_handed_on_as_a_link(show: Open) -> None:
    first = show().page
    first.get_by_role("radio", name="upheld").check()
    first.get_by_role("combobox", name="Owner").select_option("platform")
    address = first.evaluate("() => location.hash")
    assert address == "#filter:status=upheld&owner=platform"
    second = show(at=address).page
    assert visible(second) == ["transit-tls12", "transit-internal-mtls"]
    assert second.get_by_role("radio", name="upheld").is_checked()
    third = show(at="#filter:status=%3Cb%3E&owner=nobody&text=%E0%A4").page
    assert third.get_by_role("radio", name="all").is_checked()


def test_without_script_the_page_shows_all_and_filters_by_status(show: Open) -> None:
    page = show(java_script_enabled=False, viewport={"width": 1200, "height": 20_000}).page
    assert page.get_by_role("searchbox").count() == 0
    assert page.get_by_role("button").count() == 0
    assert page.locator(".claim").filter(visible=True).count() == 10
    page.get_by_role("radio", name="lapsed").check()
    assert page.locator(".claim").filter(visible=True).count() == 1
    assert said(page) == (
        "Showing 1 claim that is lapsed; hidden: 1 refuted, 2 inconclusive, 3 uncovered, 1 attested, 2 upheld."
    )


def test_a_link_leads_to_a_claim_opens_its_evidence_and_shows_it_in_spite_of_a_filter(show: Open) -> None:
    page = show(at="#claim-transit-tls12").page
    claim = page.locator("#claim-transit-tls12")
    assert claim.get_by_text("Every public endpoint refuses").is_visible()
    assert claim.evaluate("one => one.getBoundingClientRect().top < innerHeight")
    page.get_by_role("radio", name="refuted").check()
    assert visible(page) == ["rate-limits"]
    page.evaluate("() => { location.hash = '#claim-meta-bsp' }")
    page.wait_for_function("() => document.getElementById('claim-meta-bsp').checkVisibility()")
    assert said(page) == ""


def test_a_link_leads_to_a_folded_finding(show: Open) -> None:
    check = sample.check(Verdict.PASS, sample.finding(fingerprint="feedfeedfeedfeed"))
    page = show(sample.run(sample.claim(Status.UPHELD, check)), at="#finding-feedfeedfeedfeed").page
    assert page.locator("#finding-feedfeedfeedfeed").is_visible()


def test_a_finding_is_copied_as_markdown_in_which_a_target_says_nothing_but_code(show: Open) -> None:
    evil = "``` @team ![x](//evil.example/y) <img src=x onerror=alert(1)>\n# `` heading"
    page = show(sample.hostile(evil), permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("button", name="Copy as Markdown").first.click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('**Refuted**')")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("**Refuted**: ```` ``` @team")
    assert "- fingerprint: `0123456789abcdef`" in copied
    tokens = [inner for token in MarkdownIt("commonmark").parse(copied) for inner in (token, *(token.children or ()))]
    assert {one.type for one in tokens} & {"image", "link_open", "html_inline", "html_block", "heading_open"} == set()
    assert [one.content for one in tokens if one.type == "text" and "team" in one.content] == []
    assert sum("@team" in one.content for one in tokens if one.type in {"code_inline", "fence"}) > 5


def test_where_there_is_no_clipboard_the_markdown_is_shown(show: Open) -> None:
    tab = show(at="")
    tab.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    tab.page.get_by_role("button", name="Copy as Markdown").first.click()
    shown = tab.page.get_by_role("textbox", name="The finding as Markdown")
    assert shown.input_value().startswith("**Refuted**: `POST /v1/partner/events`\n")
    for part in (
        "- claim: `Rate limiting and abuse detection on all public-facing endpoints` (`rate-limits`, refuted)",
        "- check: `limits.every_operation_is_limited`: `Every public operation answers 429",
        "- parameter: `budget = 300`",
        "- expected: `answers 429 with Retry-After within 300 requests`",
        "- observed: `answered 202 to all of 300 requests`",
        "- target: `rivet-staging`, audited 2026-03-02 09:30:00 UTC",
        '"202": 300',
    ):
        assert part in shown.input_value(), part


def test_all_of_it_is_worked_by_keyboard(show: Open) -> None:
    page = show().page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the claims"
    assert page.locator(":focus").evaluate("one => one.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    for _ in range(len(html.page.sections(sample.full())) + 1):  # Past the links to the sections.
        page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "show-all"
    page.keyboard.press("ArrowRight")
    assert visible(page) == ["rate-limits"]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.type("partner")
    assert visible(page) == ["rate-limits"]
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        seen.add(focused.evaluate("one => one.tagName"))
        outline = focused.evaluate("one => getComputedStyle(one).outlineStyle")
        assert outline != "none", focused.evaluate("one => one.outerHTML")
    assert {"SELECT", "BUTTON", "A", "SUMMARY"} <= seen
    page.locator("#claim-rate-limits summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#claim-rate-limits .check").first.is_hidden()


def test_a_screen_reader_finds_landmarks_names_and_what_changed(show: Open) -> None:
    page = show().page
    for role, name in (
        ("banner", None),
        ("main", None),
        ("search", "Filter the claims"),
        ("complementary", "Before you rely on this"),
        ("navigation", "Sections of the published page"),
        ("region", "What was not checked, and why"),
        ("article", "Rate limiting and abuse detection on all public-facing endpoints"),
        ("group", "Status"),
        ("contentinfo", None),
    ):
        assert page.get_by_role(role, name=name, exact=True).count() >= 1, (role, name)  # type: ignore[arg-type]
    assert page.get_by_role("heading", level=1).inner_text().startswith("1 of 3 decided claims refuted")
    assert page.locator("#said").get_attribute("role") == "status"


def violations(page: Page) -> list[str]:
    source = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_all_of_it_unfolded(show: Open, scheme: str) -> None:
    pytest.importorskip(
        "axe_playwright_python", reason="axe-playwright-python, which carries axe-core, is not installed"
    )
    page = show(pictured(), color_scheme=scheme).page
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
    page.get_by_role("searchbox").fill("e")
    page.get_by_role("combobox", name="Owner").select_option("platform")
    assert said(page)
    page.locator(".out").evaluate_all("all => { for (const one of all) one.classList.remove('out') }")
    assert violations(page) == []


def test_on_a_phone_nothing_is_wider_than_the_screen(show: Open) -> None:
    width = 320
    for run in (pictured(), sample.hostile("W" * 5_000)):
        page = show(run, viewport={"width": width, "height": 700}, has_touch=True).page
        page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_a_chart_says_its_name_and_its_numbers_to_a_screen_reader(show: Open) -> None:
    page = show(pictured()).page
    for title in (
        "Roles and operations",
        "Ages of the oldest records",
        "Samples of the status page",
        "Defects and checks",
    ):
        figure = page.get_by_role("figure").filter(has=page.get_by_role("heading", name=title))
        assert figure.get_by_role("img").count() == 1
        figure.get_by_text("The numbers").click()
        assert figure.get_by_role("table", name=title).get_by_role("rowheader").count() >= 1
    cell = page.get_by_role("table", name="Roles and operations").get_by_role("cell").first
    assert cell.inner_text() == "let in (200)"


def test_on_paper_every_claim_stands_whatever_is_filtered(show: Open) -> None:
    page = show().page
    page.get_by_role("radio", name="upheld").check()
    page.emulate_media(media="print")
    assert len(visible(page)) == 10
    assert page.locator(".filter").is_hidden()
    assert page.get_by_role("button").count() == 0
    folded = page.locator("#claim-transit-tls12 .evidence .check").first
    assert folded.evaluate("one => one.getBoundingClientRect().height") > 0
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize(
    "texts", [tuple(sample.HOSTILE.values()), (MILLION,)], ids=["all at once", "a million characters"]
)
def test_what_a_target_sends_is_shown_and_does_nothing(show: Open, texts: tuple[str, ...]) -> None:
    claims = [
        dataclasses.replace(claim, id=f"{claim.id} {number}")
        for number, text in enumerate(texts)
        for claim in sample.hostile(text).claims
    ]
    run = dataclasses.replace(sample.hostile(" ".join(texts)), claims=tuple(claims))
    page = show(run, at="#filter:text=x").page
    page.get_by_role("button", name="Show all").click()
    assert len(visible(page)) == 3 * len(texts)
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
    assert page.evaluate("() => Object.keys(window).filter(name => name.includes('pwned'))") == []
    assert page.locator("main a:not([href^='#'])").count() == 0
    assert page.locator("main :is(img, iframe, object, embed, script, style, link)").count() == 0
    words = page.locator("main").inner_text()
    assert not {"\u202e", "\x1b", "\u2066"} & set(words)
    if len(texts) > 1:
        assert "<script>" in words


def test_the_page_says_which_statuses_a_run_of_many_claims_hides(show: Open) -> None:
    claims = [
        sample.claim(Status.REFUTED if number % 10 == 0 else Status.UPHELD, id=f"c{number}", severity=Severity.LOW)
        for number in range(40)
    ]
    claims[3] = dataclasses.replace(claims[3], owner="someone")
    page = show(sample.run(*claims)).page
    page.get_by_role("combobox", name="Owner").select_option("someone")
    assert said(page) == "Showing 1 of 40 claims; hidden by this filter: 4 refuted, 35 upheld."
    assert json.dumps(visible(page)) == '["c3"]'
