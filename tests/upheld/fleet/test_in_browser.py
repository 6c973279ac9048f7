"""The report of a fleet in a real browser: filtered, ordered, walked by keyboard, read by a screen reader, on a phone and on paper."""

from __future__ import annotations

import dataclasses
import importlib.resources
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import Tab
from upheld.fleet import report
from upheld.fleet.state import FleetRun
from upheld.model import Status

from ..reporting import sample
from .told import claims, fleet, refuted

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[..., Tab]
STATUSES = list(Status)
NAMES = "() => [...document.querySelectorAll('.heat tbody tr')].filter(one => one.checkVisibility()).map(one => one.cells[0].querySelector('a, span').textContent)"


def usual(folder: Path) -> FleetRun:
    """Twelve targets with every status, a target out of line, one that is gone, and two of another policy."""
    runs: dict[str, Any] = {
        f"eu-{number}": (*claims(**{f"claim_{one}": STATUSES[(number * one) % 6] for one in range(8)}), *claims(rare=Status.UPHELD, tls=Status.UPHELD))
        for number in range(1, 12)
    }  # fmt: skip
    runs["odd"] = (*claims(claim_1=Status.UPHELD, rare=Status.REFUTED), refuted("api (api.odd.example:443) TLS 1.0"))
    runs["gone"] = "its worker died three times"
    runs["lone"] = claims(other=Status.REFUTED)
    return fleet(folder, runs, {"lone": "other.yaml"})


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a fleet in a tab of its own; a page that asks for anything or complains fails the test."""
    tabs: list[Tab] = []

    def opened(run: FleetRun | None = None, at: str = "", **options: Any) -> Tab:
        report.write(run or usual(tmp_path), tmp_path)
        for one in (tmp_path / "targets").iterdir():
            (one / "report.html").write_text("<!doctype html><title>one target</title>", encoding="utf-8")
        tab = Tab(browser, **options)
        tabs.append(tab)
        tab.page.goto((tmp_path / "report.html").as_uri() + at)
        return tab

    yield opened
    for tab in tabs:
        assert {one.partition("#")[0] for one in tab.requests} <= {
            one.as_uri() for one in tmp_path.rglob("report.html")
        }
        assert tab.complaints == []
        tab.context.close()


def shown(page: Page) -> list[str]:
    names: list[str] = page.evaluate(NAMES)
    return names


def test_targets_are_filtered_by_name_status_and_claim_and_what_is_hidden_is_said(show: Open) -> None:
    page = show().page
    everything = shown(page)
    assert len(everything) == 14
    page.locator(".heat tbody tr", has_text="gone").locator("td").first.hover()
    assert "is not observed (its worker died three times)" in page.locator("#at").inner_text()
    page.mouse.move(1, 1)  # Else another row may come to lie under it, and says what it is.
    assert page.locator("#at").inner_text() != ""
    page.get_by_role("searchbox", name="Target").fill("EU-1")
    assert page.locator("#at").inner_text() == ""
    assert sorted(shown(page)) == ["eu-1", "eu-10", "eu-11"]
    said = page.locator("#said").inner_text()
    assert said.startswith("Showing 3 of 14 targets; hidden by this filter: 11, of which ")
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("radio", name="not observed").check()
    assert {"gone", "odd"} <= set(shown(page))  # The run of `odd` left claims out.
    page.get_by_role("radio", name="refuted").check()
    page.get_by_role("combobox", name="In claim").select_option(label="rare (policies.yaml)")
    assert shown(page) == ["odd"]
    assert (
        page.evaluate("() => decodeURIComponent(location.hash)") == "#filter:status=refuted&claim=rare+(policies.yaml)"
    )
    assert page.locator(".heat .chosen").count() == 1
    page.get_by_role("radio", name="anything").check()
    assert sorted(shown(page)) == ["gone", "odd"]
    page.get_by_role("button", name="Show all").click()
    assert (shown(page), page.locator("#said").inner_text()) == (everything, "")


def test_the_map_is_ordered_and_the_choice_can_be_handed_on(show: Open) -> None:
    first = show().page
    first.get_by_role("combobox", name="Order").select_option("by name")
    assert shown(first)[:3] == ["eu-1", "eu-2", "eu-3"]
    second = show(at=first.evaluate("() => location.hash")).page
    assert shown(second) == shown(first)
    first.get_by_role("combobox", name="Order").select_option("out of line first")
    assert shown(first)[0] == "odd"
    third = show(at="#filter:status=%3Cb%3E&claim=nothing&order=constructor&text=%E0%A4").page
    assert third.get_by_role("radio", name="anything").is_checked()
    assert third.get_by_role("combobox", name="Order").input_value() == "place"


def test_cells_are_walked_by_keyboard_and_lead_to_the_targets_report(show: Open) -> None:
    page = show().page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to targets and claims"
    page.keyboard.press("Enter")
    for _ in range(6):  # The radios, the four fields, and the map.
        page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("role") == "region"
    page.keyboard.press("Enter")
    where = "() => [document.activeElement.parentElement.rowIndex, document.activeElement.cellIndex]"
    assert page.evaluate(where) == [1, 1]
    for key, place in (
        ("ArrowRight", [1, 2]), ("ArrowDown", [2, 2]), ("ArrowUp", [1, 2]), ("End", [1, 10]), ("ArrowRight", [1, 10]), ("Home", [1, 1]),
        ("ArrowLeft", [1, 1]), ("ArrowUp", [1, 1]),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(where) == place, key
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert page.locator("#at").inner_text().startswith("odd: ")
    page.keyboard.press("Escape")
    assert page.locator(":focus").get_attribute("role") == "region"
    page.keyboard.press("Enter")
    claim = page.locator(".heat thead th").nth(1).get_attribute("data-there")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/targets/*/report.html#{claim}")


def test_a_screen_reader_hears_the_status_of_each_cell(show: Open) -> None:
    page = show().page
    table = page.get_by_role("table", name="What each claim came to on each target of policies.yaml")
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="gone"))
    assert row.get_by_role("cell", name="not observed", exact=True).count() == 10
    assert table.get_by_role("columnheader", name="claim-1 refuted on 2").count() == 1
    assert (
        page.get_by_role("heading", level=1).inner_text().startswith("6 of 14 targets break a promise; 1 not observed")
    )
    assert page.get_by_role("search", name="Filter the targets").count() == 1


def test_without_script_all_of_it_stands_there(show: Open) -> None:
    page = show(java_script_enabled=False).page
    assert page.locator(".heat tbody tr").filter(visible=True).count() == 14
    assert page.get_by_role("searchbox").count() == 0
    assert page.get_by_role("button").count() == 0


def violations(page: Page) -> list[str]:
    source = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found["violations"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)])
def test_axe_finds_nothing_wrong(show: Open, scheme: str, width: int) -> None:
    pytest.importorskip(
        "axe_playwright_python", reason="axe-playwright-python, which carries axe-core, is not installed"
    )
    page = show(color_scheme=scheme, viewport={"width": width, "height": 700}).page
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
    page.get_by_role("radio", name="refuted").check()
    page.locator(".heat td").first.hover()
    assert page.locator("#at").inner_text()
    assert violations(page) == []


def test_on_a_phone_nothing_is_wider_than_the_screen(show: Open, tmp_path: Path) -> None:
    long = fleet(tmp_path / "long", {"W" * 300: sample.hostile("W" * 3_000), "x": "W" * 3_000}, fleet="W" * 300)
    for run, folder in ((None, tmp_path), (dataclasses.replace(long), tmp_path)):
        page = show(run, viewport={"width": 320, "height": 700}, has_touch=True).page
        page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320, folder


def test_on_paper_every_target_and_every_name_stands_whatever_is_filtered(show: Open) -> None:
    page = show().page
    page.get_by_role("searchbox", name="Target").fill("gone")
    assert shown(page) == ["gone"]
    page.emulate_media(media="print")
    assert len(shown(page)) == 14
    assert page.locator(".filter").is_hidden()
    assert page.locator(".heat").first.evaluate("one => one.scrollWidth <= one.clientWidth")
    folded = page.locator("details.names .targets").first
    assert folded.evaluate("one => one.getBoundingClientRect().height") > 0
    assert len(page.pdf()) > 10_000


def test_what_targets_say_and_are_called_is_shown_and_does_nothing(show: Open, tmp_path: Path) -> None:
    runs: dict[str, Any] = {text: sample.hostile(text) for text in sample.HOSTILE.values()}
    page = show(fleet(tmp_path, {**runs, "gone": " ".join(sample.HOSTILE.values())}), at="#filter:text=script").page
    page.get_by_role("button", name="Show all").click()
    assert len(shown(page)) == len(sample.HOSTILE) + 1
    page.locator(".heat td").first.hover()
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true }")
    assert page.evaluate("() => Object.keys(window).filter(name => name.includes('pwned'))") == []
    assert page.locator("main :is(img, iframe, object, embed, script, style, link)").count() == 0
    words = page.locator("main").inner_text()
    assert not {"\u202e", "\x1b", "\u2066"} & set(words)
    assert "<script>" in words
