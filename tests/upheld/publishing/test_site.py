"""The site says what the ledger knows, day by day, tells no stranger what was found, and its badge never more than was seen last."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from selectolax.lexbor import LexborHTMLParser

from ledgers import START, claim, finding, made, of, run
from processes import inside
from upheld.errors import InputError
from upheld.model import Status, Verdict
from upheld.publishing.badge import badge
from upheld.publishing.site import build
from upheld.publishing.standing import standing
from upheld.reporting.folder import write_reports

DAY = timedelta(days=1)
OLDEST = timedelta(hours=48)
U, A, R, DARK, LAPSED = Status.UPHELD, Status.ATTESTED, Status.REFUTED, Status.INCONCLUSIVE, Status.LAPSED
INTERNAL = "db-7.internal"


@pytest.fixture
def ledger(tmp_path):
    return made(tmp_path / "ledger.sqlite")


@pytest.fixture
def site(ledger, tmp_path):
    """The site of a target with four days of history, of which one is without a run and one refuted."""
    for number, status in enumerate((U, None, R, U)):
        if status:
            one = claim(
                "one", status, finding(INTERNAL, Verdict.FAIL if status is R else Verdict.PASS, f"<b>{INTERNAL}</b>")
            )
            ledger.add(run(f"run-{number}", START + number * DAY, one, claim("two", A), target="shop <script>"))
    ledger.begin(of({"one": U}, "killed", START + 2 * DAY + timedelta(hours=1), target="shop <script>"))
    out = tmp_path / "site"
    build(ledger, [ledger.runs()], out, START + 3 * DAY + timedelta(hours=1), 5, OLDEST, reports=False)
    return out


def page(path):
    return LexborHTMLParser(path.read_text(encoding="utf-8"))


def test_a_cell_for_each_claim_and_day_says_what_was_seen(site, ledger):
    (folder,) = [one for one in site.iterdir() if one.is_dir()]
    assert folder.name == ledger.runs()[0].series
    shown = page(folder / "index.html")
    rows = {
        row.css_first("th").text(): [cell.attributes["title"] for cell in row.css("td")]
        for row in shown.css(".heat tbody tr")
    }
    assert rows["one"] == ["upheld", "refuted", "not observed", "upheld", "not observed"]
    assert rows["two"] == ["attested", "attested", "not observed", "attested", "not observed"]
    text = shown.body.text()
    assert "held on 2 of 5 days, refuted on 1, not observed on 2" in text
    assert "“Promise one.”" in text
    assert "1 of 2 promises upheld, 1 attested" in shown.css_first("h1").text()
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "badge.svg", "2026-03-02.html", "2026-03-04.html", "2026-03-05.html",
    }  # fmt: skip
    killed = page(folder / "2026-03-04.html").body.text()
    assert "not observed: no end of it is known" in killed
    assert "2 runs on this day" in killed


def test_it_holds_no_finding_and_loads_nothing(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert INTERNAL not in text
        shown = LexborHTMLParser(text)
        assert not shown.css("script")
        digest = base64.b64encode(hashlib.sha256(shown.css_first("style").text().encode()).digest()).decode()
        policy = shown.css_first("meta[http-equiv]").attributes["content"]
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
        for link in shown.css("a, img"):
            address = link.attributes.get("href") or link.attributes["src"]
            file, _, anchor = address.partition("#")
            target = path.parent / file if file else path
            assert target.is_file(), address
            assert not anchor or page(target).css_first(f"[id='{anchor}']"), address
        assert not [
            node for node in shown.css("*") if any(name.startswith(("on", "style")) for name in node.attributes)
        ]


def test_it_is_replaced_as_a_whole_and_nothing_else_is(site, ledger, tmp_path):
    (site / "old.html").write_text("from before", encoding="utf-8")
    build(ledger, [ledger.runs()], site, START + 3 * DAY, 5, OLDEST, reports=False)
    assert not (site / "old.html").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match="holds something else"):
        build(ledger, [ledger.runs()], tmp_path / "mine", START, 5, OLDEST, reports=False)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ledger.sqlite", "mine", "site"]


def said(ledger, at):
    found = standing(ledger, ledger.runs(), at, OLDEST)
    shown = ET.fromstring(badge(found).decode())
    words = [one.text for one in shown.iter("{http://www.w3.org/2000/svg}text")]
    assert shown.attrib["aria-label"] == f"{words[0]}: {words[1]}"
    return words[1], found.tone


def test_the_badge_says_never_more_than_the_newest_run_shows(ledger):
    hour = timedelta(hours=1)
    ledger.begin(of({"one": U}, "r0", START))
    assert said(ledger, START) == ("never observed as a whole", DARK)
    ledger.add(of({"one": U, "two": A}, "r1", START + hour))
    assert said(ledger, START + 2 * hour) == ("1 of 2 promises upheld, 1 attested (2026-03-02)", A)
    assert said(ledger, START + 49 * hour)[0].endswith("(2026-03-02)")
    assert said(ledger, START + 50 * hour) == ("not observed since 2026-03-02", DARK)
    ledger.add(of({"one": U, "two": LAPSED}, "r2", START + 2 * hour))
    assert said(ledger, START + 3 * hour) == ("1 of 2 promises upheld (2026-03-02)", LAPSED)
    ledger.add(of({"one": R, "two": U}, "r3", START + 4 * hour))
    assert said(ledger, START + 5 * hour) == ("1 of 2 promises refuted (2026-03-02)", R)
    ledger.add(of({"one": U, "two": U}, "r4", START + DAY))
    assert said(ledger, START + DAY) == ("2 of 2 promises upheld (2026-03-03)", U)
    ledger.begin(of({"one": U}, "r5", START + DAY + hour))
    assert said(ledger, START + DAY + 2 * hour) == ("not observed since 2026-03-03", DARK)


def test_a_run_of_a_selection_makes_it_worse_and_never_better(ledger):
    import dataclasses

    def selected(status, name, hours):
        one = of({"one": status}, name, START + timedelta(hours=hours))
        ledger.add(dataclasses.replace(one, selected=("one",)))

    selected(U, "r0", 0)
    assert said(ledger, START)[0] == "never observed as a whole"
    ledger.add(of({"one": R, "two": U}, "r1", START + timedelta(hours=1)))
    selected(U, "r2", 2)
    assert said(ledger, START + timedelta(hours=3)) == ("1 of 2 promises refuted (2026-03-02)", R)
    ledger.add(of({"one": U, "two": U}, "r3", START + timedelta(hours=4)))
    selected(DARK, "r4", 5)
    assert said(ledger, START + timedelta(hours=6)) == ("1 of 2 promises upheld (2026-03-02)", DARK)


def test_the_command_leaves_seeded_defects_out_and_copies_reports_only_when_told(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    monkeypatch.setenv("UPHELD_LEDGER", str(tmp_path / "ledger.sqlite"))
    ledger = made(tmp_path / "ledger.sqlite")
    now = datetime.now(UTC)
    one, gone = of({"one": U}, "kept", now), of({"one": U}, "gone", now - timedelta(hours=1))
    write_reports(one, folder / "reports" / "latest")
    for given in (gone, one):  # Of the first one the folder holds another run by now.
        ledger.add(given, folder / "reports" / "latest")
    (_, row) = ledger.runs()
    ledger.add(of({"one": R}, "broken", START, sabotages=("a_defect",)))
    done = inside(folder, "site", "--out", "site")
    assert done.returncode == 0, done.stderr
    assert [one.name for one in (folder / "site").iterdir() if one.is_dir()] == [row.series]
    assert not list((folder / "site").rglob("report*"))
    done = inside(folder, "site", "--out", "site", "--reports")
    assert done.returncode == 0, done.stderr
    report = folder / "site" / row.series / f"report-{row.seq}.html"
    assert report.read_bytes() == (folder / "reports" / "latest" / "report.html").read_bytes()
    shown = page(folder / "site" / row.series / f"{date.fromisoformat(row.started[:10])}.html")
    assert [one.attributes["href"] for one in shown.css("li a")] == [report.name]
    assert inside(folder, "site", "--out", ".").returncode == 2
