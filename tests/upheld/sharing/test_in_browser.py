"""A customer's page in a real browser: nothing is asked of a network, axe finds nothing, it fits on a phone, and paper has all of it."""

from __future__ import annotations

import importlib.resources
import io
from pathlib import Path

import pytest

from browser import Tab
from upheld.model import Run
from upheld.sharing import html
from upheld.sharing.making import make

from ..reporting import sample
from .runs import KEY, TERMS, full, keyed, terms


@pytest.fixture
def show(browser, tmp_path):
    """Opens the page of a run in a tab of its own; a page that asks for anything or complains fails the test."""
    tabs: list[Tab] = []

    def opened(run: Run | None = None, claims: tuple[str, ...] = (), **options) -> Tab:
        file: Path = tmp_path / "share.html"
        file.write_bytes(make(run or full(), terms(*claims), KEY).page)
        tab = Tab(browser, **options)
        tab.page.on("dialog", lambda dialog: tab.complaints.append(f"a dialog: {dialog.message}"))
        tabs.append(tab)
        tab.page.goto(file.as_uri())
        return tab

    yield opened
    for tab in tabs:
        assert {one.partition("#")[0] for one in tab.requests} == {(tmp_path / "share.html").as_uri()}
        assert tab.complaints == []
        tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(show, scheme):
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page = show(claims=("rate-limits", "meta-bsp"), color_scheme=scheme).page
    source = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source)
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    assert [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found["violations"]] == []


def test_on_a_phone_nothing_is_wider_than_the_screen(show):
    for run in (full(), keyed(sample.hostile("W" * 5_000))):
        page = show(run, viewport={"width": 320, "height": 700}, has_touch=True).page
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("words", [sample.HOSTILE["script"], sample.HOSTILE["pre end"], sample.HOSTILE["image"]])
def test_hostile_words_make_no_element(show, words):
    page = show(keyed(sample.hostile(words))).page
    assert page.locator("script, img, iframe").count() == 0
    assert page.locator("h1").count() == 1


def test_the_mark_lies_over_every_sheet_and_never_in_the_way(show):
    page = show().page
    page.get_by_role("link", name="Save the part that machines read").scroll_into_view_if_needed()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Save the part that machines read").click()
    made = make(full(), TERMS, KEY)
    assert Path(waiting.value.path()).read_bytes() == html.taken_apart(made.page)[1]


def test_on_paper_every_sheet_names_its_reader(show):
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    sheets = pypdf.PdfReader(io.BytesIO(show().page.pdf())).pages
    assert len(sheets) > 1
    for sheet in sheets:
        assert "For Acme Bank plc · 2026-03-03" in " ".join(sheet.extract_text().split())
