"""The report of a fleet: one page that needs nothing, in which nothing unseen looks held and nothing that a target says acts."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from upheld.fleet import page, report, saying
from upheld.fleet.summary import RANKS, Summary, summarise
from upheld.model import Status, Verdict, Waiver
from upheld.reporting import html

from ..reporting import sample
from ..reporting.test_html import Element, Parser, words
from .told import claims, fleet, refuted

U, R, A, L, N = Status.UPHELD, Status.REFUTED, Status.ATTESTED, Status.LAPSED, Status.UNCOVERED
DARK = Status.INCONCLUSIVE
TEMPLATES = Path(page.__file__).parent / "templates"
MIXED = {
    "eu-1": (*claims(a=U, b=U, c=A), refuted("api (api.eu-1.example:443) TLS 1.0", claim="tls")),
    "eu-2": (*claims(a=R, b=DARK, c=L), refuted("api (api.eu-2.example:443) TLS 1.0", claim="tls")),
    "eu-3": claims(a=U, b=U, c=N, tls=U),
    "eu-4": claims(a=U, b=U, c=A, tls=U),
    "eu-5": claims(a=U, b=U, c=A, tls=U),
    "gone": "its worker died three times",
}
HOSTS = {name: {f"api.{name}.example"} for name in MIXED}


def mixed(folder: Path, **changes) -> Summary:
    return summarise(fleet(folder, MIXED, **changes), folder, HOSTS)


def parse(text: str) -> Element:
    parser = Parser()
    parser.feed(text)
    parser.close()
    assert len(parser.stack) == 1, "something was not closed"
    return parser.root


def hostile(folder: Path, text: str) -> Summary:
    """A fleet in which everything that comes from outside says `text`."""
    run = fleet(
        folder, {text: sample.hostile(text), "t": sample.hostile(text), f"{text}2": text}, fleet=text, notes=(text,)
    )
    members = tuple(dataclasses.replace(one, policy=text) for one in run.members)
    return summarise(dataclasses.replace(run, members=members), folder, {text: {text}})


def test_the_page_needs_nothing_and_leads_only_to_reports_beside_it(tmp_path: Path) -> None:
    text = page.render(mixed(tmp_path))
    root = parse(text)
    for element in root.all():
        assert element.tag not in {"iframe", "object", "embed", "form", "base", "img"}
        assert not {"src", "style", "srcset", "action", "formaction"} & set(element.attributes)
        assert not [name for name in element.attributes if name.startswith("on")]
        assert re.match(r"#|data:image/svg\+xml,|targets/\d+/report\.html(#finding-[0-9a-f]{16})?$", element.attributes.get("href", "#"))  # fmt: skip
    assert "@import" not in text
    assert re.findall(r"url\([^)]*\)", text) == ["url(#hatch)"]
    ids = [one.attributes["id"] for one in root.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    inside = {one.attributes["href"][1:] for one in root.all() if one.attributes.get("href", "").startswith("#")}
    assert inside <= set(ids)
    assert {one.attributes["aria-labelledby"] for one in root.all() if "aria-labelledby" in one.attributes} <= set(ids)


def test_the_policy_allows_exactly_this_style_and_this_script(tmp_path: Path) -> None:
    text = page.render(mixed(tmp_path))
    owns = re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in owns]
    (policy,) = [one.attributes["content"] for one in parse(text).all() if "http-equiv" in one.attributes]
    assert dict(part.strip().split(" ", 1) for part in policy.split(";")) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digests[0]}'",
        "script-src": f"'sha256-{digests[1]}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(digests) == 2
    assert text.index("Content-Security-Policy") < text.index("<style>")


def shape(root: Element) -> list[tuple[str, ...]]:
    return [(one.tag, *one.attributes) for one in root.all() if one.tag != "wbr"]


@pytest.mark.parametrize("text", sample.HOSTILE.values(), ids=sample.HOSTILE)
def test_what_targets_say_and_are_called_stays_text(tmp_path: Path, text: str) -> None:
    summary = hostile(tmp_path / "1", text)
    rendered = page.render(summary)
    assert rendered.encode().decode() == rendered
    harm = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
    assert not re.search(harm, rendered)
    root = parse(rendered)
    plain = parse(page.render(hostile(tmp_path / "2", "harmless")))
    assert [one for one in shape(root) if one[0] in {"script", "style", "a", "img", "svg"}] == [
        one for one in shape(plain) if one[0] in {"script", "style", "a", "img", "svg"}
    ]
    assert len(root.find("tr")) == len(plain.find("tr"))


def test_what_targets_say_does_nothing_in_markdown_and_in_tables(tmp_path: Path) -> None:
    text = "=cmd|' /C calc'!A0 | `x` **b** [l](javascript:alert(1)) <img src=x onerror=alert(1)> @team #1 ![i](//e.example/y)"
    run = fleet(tmp_path, {text: sample.hostile(text), "gone": text}, fleet=text)
    report.write(run, tmp_path)
    words_ = (tmp_path / report.WORDS).read_text(encoding="utf-8")
    tokens = [one for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(words_) for one in (token, *(token.children or ()))]  # fmt: skip
    assert not {one.type for one in tokens} & {"image", "link_open", "html_inline", "html_block", "code_inline"}
    for name in (report.TABLE, report.DEFECTS):
        with (tmp_path / name).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))
        assert len({len(row) for row in rows}) == 1
        assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]


def test_templates_never_switch_escaping_off_and_the_script_only_makes_text() -> None:
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), file.name
        assert not re.search(r"=\{\{", text), file.name
    script = (TEMPLATES / "fleet.js").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval", "Function(", "fetch", "XMLHttp", "import(", "localStorage", "cookie"):  # fmt: skip
        assert way not in script, way


def rows_of(root: Element) -> dict[str, list[tuple[str, str]]]:
    made = {}
    for row in root.find("tr"):
        head, *cells = row.children
        if cells and cells[0].tag == "td":
            made[words(head).split(" ")[0]] = [(one.attributes["class"], one.text) for one in cells]
    return made


def test_each_cell_says_its_status_and_not_observed_has_a_sign_of_its_own(tmp_path: Path) -> None:
    root = parse(page.render(mixed(tmp_path)))
    rows = rows_of(root)
    assert set(rows) == set(MIXED)
    assert set(rows["gone"]) == {("X", "not observed")}
    assert sorted(rows["eu-2"]) == [("I", "inconclusive"), ("L", "lapsed"), ("R", "refuted"), ("R", "refuted")]
    assert {letter for row in rows.values() for letter, _ in row} == set(page.LETTERS.values())
    style = (TEMPLATES / "fleet.css").read_text(encoding="utf-8")
    signs = dict(re.findall(r'^\.([A-Z])::before, [^{]*\{ content: "(.)"', style, re.MULTILINE))
    assert set(signs) == set(page.LETTERS.values())
    assert len(set(signs.values())) == len(signs)
    grounds = dict(re.findall(r"^\.([A-Z]) \{ --sign: [^;]*; --cell: ([^;]*);", style, re.MULTILINE))
    assert len(set(grounds.values())) == len(page.LETTERS)
    assert "good" not in grounds["X"]
    assert "upheld" not in grounds["X"]


def test_the_first_screen_names_the_worst_target_the_broken_promise_and_who_is_out_of_line(tmp_path: Path) -> None:
    root = parse(page.render(mixed(tmp_path)))
    assert words(root.find("h1")[0]) == (
        "2 of 6 targets break a promise; 1 not observed; 1 uncovered; 2 uphold or attest all of theirs"
    )
    assert "tone-refuted" in root.find("h1")[0].attributes["class"]
    worst, broken, apart = (words(one) for one in root.find("ol", "ranks"))
    assert worst.startswith("eu-2 2 refuted 2 critical")
    assert "gone not observed its worker died three times" in worst
    assert broken.startswith("tls 2 of 6 a 1 of 6")
    assert apart.startswith("eu-2 breaks 1 that others keep a, which 4 of 4 others uphold")


def test_a_defect_lists_every_target_that_has_it(tmp_path: Path) -> None:
    everywhere = {f"t{number:03}": (refuted(f"api.t{number:03}.example TLS 1.0"),) for number in range(60)}
    summary = summarise(fleet(tmp_path, everywhere), tmp_path, {name: {f"api.{name}.example"} for name in everywhere})
    root = parse(page.render(summary))
    (entry,) = root.find("ol", "defects")[0].children
    named = [one.text for one in entry.find("a") if one.attributes["href"].startswith("targets/")]
    assert sorted(named) == sorted(everywhere)
    assert words(entry).startswith("60 targets ‹host› TLS 1.0 answered 200")


def test_defects_of_the_same_targets_stand_side_by_side_and_none_for_another(tmp_path: Path) -> None:
    found = [sample.finding(Verdict.FAIL, f"role {letter}", observed=f"may {letter}") for letter in "abcdef"]
    both = sample.claim(R, sample.check(Verdict.FAIL, *found), id="rbac")
    one = sample.claim(R, sample.check(Verdict.FAIL, *found[:1]), id="rbac")
    summary = summarise(fleet(tmp_path, {"x": (both,), "y": (both,), "z": (one,)}), tmp_path)
    assert [(len(entry.groups), entry.count) for entry in page.entries(summary.groups)] == [(1, 3), (5, 2)]
    text = words(parse(page.render(summary)).find("ol", "defects")[0])
    for letter in "abcdef":
        assert f"role {letter} may {letter}" in text


def test_what_is_waived_of_several_defects_is_counted_over_all_of_them(tmp_path: Path) -> None:
    found = [sample.finding(Verdict.FAIL, f"role {letter}", observed="may") for letter in "ab"]
    check = sample.check(Verdict.FAIL, *found)
    part = Waiver("rbac", "later", "someone", "2030-01-01", subject="role a")
    runs = {
        name: (sample.claim(R, check, id="rbac", waivers=waivers),)
        for name, waivers in {
            "none": (),
            "part": (part,),
            "all": (Waiver("rbac", "later", "someone", "2030-01-01"),),
        }.items()
    }
    (entry,) = page.entries(summarise(fleet(tmp_path, runs), tmp_path).groups)
    notes = {one.target: saying.occurrence(one) for one, _ in entry.on}
    assert notes == {"none": "2 findings", "part": "2 findings, 1 waived", "all": "2 findings, waived"}
    assert entry.waived == 1


def test_names_that_a_page_cannot_carry_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_NAMES", 4)
    monkeypatch.setattr(page, "MOST_LINKS", 2)
    both = (refuted("a", "said"), refuted("b", "said", claim="other"))
    summary = summarise(fleet(tmp_path, dict.fromkeys("xyz", both)), tmp_path)
    first, second = page.entries(summary.groups)
    assert [bool(address) for _, address in first.on] == [True, True, False]
    assert (second.count, len(second.on)) == (3, 1)
    assert "2 targets in fleet-defects.csv" in words(parse(page.render(summary)))


def test_a_fleet_of_which_nothing_was_seen_is_never_green(tmp_path: Path) -> None:
    summary = summarise(fleet(tmp_path, {"a": "no answer", "b": "no budget"}), tmp_path)
    root = parse(page.render(summary))
    assert words(root.find("h1")[0]) == "Nothing was observed on 2 targets"
    assert "tone-unseen" in root.find("h1")[0].attributes["class"]
    ranks = [words(one) for one in root.find("ol", "ranks")]
    assert ranks[0].startswith("a not observed no answer")
    assert ranks[1] == "No claim is refuted on any target that was observed."
    empty, worst = saying.headline(summarise(fleet(tmp_path, {}), tmp_path))
    assert (empty, worst) == ("The fleet has no target: nothing was observed", None)


def test_a_run_that_was_stopped_is_never_better_than_not_observed(tmp_path: Path) -> None:
    summary = summarise(fleet(tmp_path, {"a": claims(a=U)}, complete=False, faults=1), tmp_path)
    text, worst = saying.headline(summary)
    assert text.startswith("Incomplete: ")
    assert worst is None
    assert saying.notices(summary)[:2] == (
        "The fleet's run did not come to its end. What it did not reach is not observed.",
        "1 thing went wrong in upheld or in the ledger.",
    )


def test_no_broken_promise_is_only_said_of_what_was_observed(tmp_path: Path) -> None:
    text, worst = saying.headline(
        summarise(fleet(tmp_path, {"a": claims(a=U), "b": claims(a=U), "c": "gone"}), tmp_path)
    )
    assert text == "No broken promise was found on 2 of 3 targets; 1 not observed; 2 uphold all of theirs"
    assert worst is None


def test_where_nothing_was_decided_nothing_is_said_to_be_unbroken(tmp_path: Path) -> None:
    unsure = claims(a=Status.INCONCLUSIVE)
    text, worst = saying.headline(summarise(fleet(tmp_path / "none", {"a": unsure, "b": unsure}), tmp_path / "none"))
    assert text == "No claim was decided on any of 2 targets; 2 inconclusive"
    assert worst is Status.INCONCLUSIVE
    text, _ = saying.headline(summarise(fleet(tmp_path / "one", {"a": unsure, "b": claims(a=U)}), tmp_path / "one"))
    assert text == "No broken promise was found on 1 of 2 targets; 1 inconclusive; 1 upholds all of its"


@pytest.mark.parametrize("status", Status)
def test_the_headline_is_never_better_than_the_worst_target(tmp_path: Path, status: Status) -> None:
    _, worst = saying.headline(summarise(fleet(tmp_path, {"a": claims(a=U), "b": claims(a=status)}), tmp_path))
    assert worst is max(U, status, key=RANKS.index)


def test_what_weakens_an_audit_is_said(tmp_path: Path) -> None:
    part = sample.run(*claims(a=U), selected=("a",))
    cut = sample.run(*claims(a=U, b=U), complete=False)
    run = fleet(tmp_path, {"part": part, "cut": cut, "old": claims(a=U, b=U)}, {"old": "other.yaml"}, notes=("said",))
    members = tuple(dataclasses.replace(one, resumed=one.name == "old") for one in run.members)
    assert saying.notices(summarise(dataclasses.replace(run, members=members), tmp_path)) == (
        "1 audit did not come to its end.",
        "1 audit looked at selected claims only; the others are not observed there.",
        "1 audit from before the run was resumed, the oldest of 2026-03-02 09:30 UTC, stand as they were.",
        "Targets of different policies are compared only among themselves.",
        "said",
    )


def test_addresses_lead_to_the_targets_own_reports_and_nowhere_else(tmp_path: Path) -> None:
    line = mixed(tmp_path).lines[0]
    for folder, address in {
        "targets/eu-1": "targets/eu-1/report.html",
        "targets/a b?#%": "targets/a%20b%3F%23%25/report.html",
        "javascript:alert(1)": "javascript%3Aalert%281%29/report.html",
        "//evil.example": "",
        "/etc": "",
        "../up": "",
        "": "",
    }.items():
        assert page.report_of(dataclasses.replace(line, folder=folder)) == address


def test_cells_lead_to_the_claim_in_the_targets_report(tmp_path: Path) -> None:
    for name in ("transit-tls12", "A b_c", "über"):
        run = sample.run(sample.claim(id=name))
        assert f'id="{page.place_of(name)}"' in html.render(run)


def test_the_tables_hold_every_target_and_every_defect(tmp_path: Path) -> None:
    run = fleet(tmp_path, MIXED, {"eu-5": "other.yaml"})
    summary = report.write(run, tmp_path, HOSTS)
    with (tmp_path / report.TABLE).open(encoding="utf-8", newline="") as stream:
        rows = {row["target"]: row for row in csv.DictReader(stream)}
    assert set(rows) == set(MIXED)
    assert (rows["eu-2"]["worst"], rows["eu-2"]["tls"], rows["eu-2"]["refuted"]) == ("refuted", "refuted", "2")
    assert (rows["gone"]["worst"], rows["gone"]["tls"], rows["gone"]["refuted"]) == ("not observed", "not observed", "")
    assert rows["gone"]["reason"] == "its worker died three times"
    text = (tmp_path / report.DEFECTS).read_text(encoding="utf-8")
    found = [(row["claim"], row["target"]) for row in csv.DictReader(io.StringIO(text))]
    assert sorted(found) == sorted((group.claim, one.target) for group in summary.groups for one in group.on)
    assert ("tls", "eu-1") in found
    words_ = (tmp_path / report.WORDS).read_text(encoding="utf-8")
    assert words_.startswith("## ❌ 2 of 6 targets break a promise")
    assert "gone" in words_


def test_the_same_summary_gives_the_same_files(tmp_path: Path) -> None:
    run = fleet(tmp_path, MIXED)
    names = (report.PAGE, report.WORDS, report.TABLE, report.DEFECTS)
    report.write(run, tmp_path, HOSTS)
    first = [(tmp_path / name).read_bytes() for name in names]
    report.write(run, tmp_path, HOSTS)
    assert [(tmp_path / name).read_bytes() for name in names] == first
    assert {one.name for one in tmp_path.iterdir()} == {*names, "targets"}


def test_many_targets_with_many_defects_stay_a_page_that_a_browser_can_carry(tmp_path: Path) -> None:
    failing = sample.check(Verdict.FAIL, *(sample.finding(Verdict.FAIL, f"s{one}") for one in range(20)))
    everything = tuple(sample.claim(R, failing, id=f"c{one}") for one in range(10))
    run = fleet(tmp_path, {"t0": everything})
    (member,) = run.members
    many = tuple(dataclasses.replace(member, name=f"t{number}") for number in range(30))
    summary = summarise(dataclasses.replace(run, members=many), tmp_path)
    assert len(summary.groups) == 200
    text = page.render(summary)
    assert len(text) < 1_000_000
    assert all(len(entry.on) == 30 for entry in page.entries(summary.groups))


def test_headings_and_landmarks_serve_a_screen_reader(tmp_path: Path) -> None:
    root = parse(page.render(mixed(tmp_path)))
    levels = [int(one.tag[1]) for one in root.all() if re.fullmatch(r"h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(len(root.find(tag)) == 1 for tag in ("header", "main", "footer"))
    for table in root.find("table"):
        assert words(table.find("caption")[0])
        assert {one.attributes["scope"] for one in table.find("th")} == {"row", "col"}
