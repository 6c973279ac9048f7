"""The site in a real browser: nothing that axe-core objects to, nothing wider than a phone, nothing loaded but itself."""

from __future__ import annotations

import importlib.resources
from datetime import timedelta

import pytest

from browser import Tab
from ledgers import START, made, of
from upheld.model import Status
from upheld.publishing.site import build

LETTERS = [Status.UPHELD, Status.REFUTED, Status.INCONCLUSIVE, Status.ATTESTED, Status.LAPSED, Status.UNCOVERED]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    ledger = made(folder / "ledger.sqlite")
    for number in range(12):
        if number != 5:
            claims = {f"claim-{one}": LETTERS[(one * number // 7) % 6] for one in range(20)}
            ledger.add(of(claims, f"run-{number}", START + timedelta(days=number)))
    now = START + timedelta(days=11, hours=1)
    build(ledger, [ledger.runs()], folder / "site", now, 90, timedelta(days=2), reports=False)
    return folder / "site"


def test_every_page_can_be_used_by_everybody(site, browser):
    pytest.importorskip(
        "axe_playwright_python", reason="axe-playwright-python, which carries axe-core, is not installed"
    )
    source = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    (folder,) = [one for one in site.iterdir() if one.is_dir()]
    for scheme in ("light", "dark"):
        tab = Tab(browser, color_scheme=scheme, viewport={"width": 320, "height": 700})
        for path in (site / "index.html", folder / "index.html", folder / "2026-03-04.html"):
            tab.page.goto(path.as_uri())
            assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 320, path.name
            tab.page.evaluate(source)
            found = tab.page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
            assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found] == [], path.name
        assert {one.partition("#")[0] for one in tab.requests} <= {path.as_uri() for path in site.rglob("*")}
        assert tab.complaints == []
