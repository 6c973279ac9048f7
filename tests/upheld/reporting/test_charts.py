"""Charts are drawn only from what was recorded, say the worst of it, and bring nothing into the page but shapes and text."""

from __future__ import annotations

import re
import sys
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from upheld.calibration import table
from upheld.model import CheckResult, FindingRecord, Observation, Plain, Run, Status, Verdict
from upheld.reporting import html
from upheld.reporting.charts import OF_CHECKS, Chart, Shade, charts
from upheld.reporting.charts.drawing import Bar, histogram

from . import sample

SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "g", "rect", "path", "text", "circle", "title"}


def look(number: int, probe: str, name: str, arguments: Plain, value: Plain, reason: str = "") -> Observation:
    return sample.observation(number, probe=probe, look=name, arguments=arguments, value=value, reason=reason)


def checked(name: str, *looks: Observation, findings: tuple[FindingRecord, ...] = (), **changes: Any) -> CheckResult:
    verdicts = [one.verdict for one in findings]
    worst = next((one for one in (Verdict.FAIL, Verdict.INCONCLUSIVE) if one in verdicts), Verdict.PASS)
    found = findings or (sample.finding(observations=tuple(one.id for one in looks)),)
    return sample.check(worst, *found, id=name, observations=looks, **changes)


def drawn(*checks: CheckResult) -> dict[str, Chart]:
    return {one.name: one for one in charts(sample.run(sample.claim(Status.UPHELD, *checks)))}


def shades(chart: Chart) -> dict[str, list[str]]:
    """The titles of the cells by the shade that they are drawn in."""
    found: dict[str, list[str]] = {}
    for group in ET.fromstring(chart.drawing).iter(f"{SVG}g"):
        classes = group.get("class", "").split()
        if "cell" in classes:
            found.setdefault(classes[-1], []).append(group.findtext(f"{SVG}title") or "")
    return found


def reply(status: int) -> dict[str, Plain]:
    return {"status": status, "refused": status in {401, 403}}


def roles(verdict: Verdict = Verdict.PASS, viewer: int = 403, name: str = "erase") -> CheckResult:
    return checked(
        "access.roles_are_enforced",
        look(1, "access", "matrix", {}, {"roles": ["owner", "viewer"], "operations": [[name, ["owner"]]]}),
        look(2, "access", "members", {}, [{"name": "o", "role": "owner"}, {"name": "v", "role": "viewer"}]),
        look(3, "api", "call", {"operation": name, "identity": "o"}, reply(200)),
        look(4, "api", "call", {"operation": name, "identity": "v"}, reply(viewer)),
        look(5, "access", "anonymous", {"operation": name}, {"reply": reply(401), "asked": True}),
        findings=(
            sample.finding(verdict, f"{name} (DELETE /x) in acme", observations=("k.1", "k.2", "k.3", "k.4", "k.5")),
        ),
    )


def test_roles_show_who_was_let_in_and_who_was_refused() -> None:
    found = shades(drawn(roles())["roles"])
    assert found == {
        "let-in": ["erase, owner: let in (200)"],
        "kept-out": ["erase, viewer: refused (403)", "erase, a stranger: refused (401)"],
    }


def test_a_role_that_got_in_against_the_declaration_is_red_in_a_failing_finding_only() -> None:
    chart = drawn(roles(Verdict.FAIL, viewer=200))["roles"]
    assert shades(chart)["bad"] == ["erase, viewer: let in (200), against what is declared"]
    assert chart.numbers.rows == (("erase", "let in (200)", "let in (200), against what is declared", "refused (401)"),)
    # The check knows better than the chart whether an answer is one that refutes.
    assert "bad" not in shades(drawn(roles(Verdict.PASS, viewer=200))["roles"])


def test_tenants_show_the_worst_that_came_of_asking_for_anothers() -> None:
    findings = (
        sample.finding(Verdict.PASS, "getNote (GET /n/{id}): path id of globex, as acme"),
        sample.finding(Verdict.FAIL, "getNote (GET /n/{id}): query owner of globex, as acme"),
        sample.finding(Verdict.PASS, "getNote (GET /n/{id}): path id of acme, as globex"),
        sample.finding(Verdict.INCONCLUSIVE, "putNote: path id of acme, as globex"),
        sample.finding(Verdict.PASS, "something else"),
    )
    chart = drawn(checked("tenancy.foreign_identifiers_are_refused", findings=findings))["tenants"]
    assert shades(chart) == {
        "bad": ["getNote, acme asks for globex's: not refused in 1 of 2 places"],
        "good": ["getNote, globex asks for acme's: refused in 1 place"],
        "unseen": ["putNote, globex asks for acme's: not observed in 1 of 1 place"],
        "blank": ["putNote, acme asks for globex's: not looked at"],
    }
    assert chart.left == "1 finding of the check cannot be drawn here and stand above."


def test_versions_of_tls_are_red_where_a_failing_finding_rests_on_the_handshake() -> None:
    looks = [
        look(
            1,
            "tls",
            "handshake",
            {"endpoint": "api", "version": "TLS 1.0"},
            {"completed": True, "summary": "took TLS 1.0"},
        ),
        look(
            2,
            "tls",
            "handshake",
            {"endpoint": "api", "version": "TLS 1.3"},
            {"completed": True, "summary": "took TLS 1.3"},
        ),
        look(
            3, "tls", "handshake", {"endpoint": "www", "version": "TLS 1.0"}, {"completed": False, "summary": "refused"}
        ),
        look(4, "tls", "handshake", {"endpoint": "www", "version": "TLS 1.3"}, None, reason="timed out"),
    ]
    findings = (sample.finding(Verdict.FAIL, observations=("k.1",)), sample.finding(observations=("k.2", "k.3")))
    chart = drawn(checked("tls.refuses_old_versions", *looks, findings=findings))["tls"]
    assert shades(chart) == {
        "bad": ["api, TLS 1.0: took TLS 1.0"],
        "let-in": ["api, TLS 1.3: took TLS 1.3"],
        "kept-out": ["www, TLS 1.0: refused"],
        "unseen": ["www, TLS 1.3: not observed: timed out"],
    }
    assert {shade for shade, _ in chart.key} == {Shade.BAD, Shade.IN, Shade.OUT, Shade.UNSEEN}


def aged(*days: int, period: Plain = 90) -> CheckResult:
    groups: Plain = [
        {"tenant": str(n), "records": 2, "oldest": f"2026-{4 - day // 30:02}-01T00:00:00Z"}
        for n, day in enumerate(days)
    ]
    return checked(
        "retention.nothing_is_older_than_its_period",
        look(1, "clock", "now", {}, "2026-04-01T12:00:00+00:00"),
        look(2, "stores", "periods", {}, {"days": [["0", period]], "default_days": 90}),
        look(3, "stores", "ages", {"store": "logs"}, groups),
    )


def test_ages_stand_beside_the_period() -> None:
    chart = drawn(aged(0, 30, 30, 60))["ages"]
    assert chart.says.endswith("4 groups of records; the period is 90 days.")
    assert chart.numbers.rows == (("0 to 5", "1"), ("30 to 35", "2"), ("55 to 60", "1"))
    assert "period: 90" in [one.text for one in ET.fromstring(chart.drawing).iter(f"{SVG}text")]
    bars = [
        one.findtext(f"{SVG}title")
        for one in ET.fromstring(chart.drawing).iter(f"{SVG}g")
        if one.get("class") == "histbar"
    ]
    assert [one for one in bars if one and not one.endswith(": 0")] == [
        "0 to 5 days: 1",
        "30 to 35 days: 2",
        "55 to 60 days: 1",
    ]


def counted(store: str, *groups: tuple[int, list[int]], number: int = 2) -> Observation:
    spread: list[Plain] = [
        {"at": "2026-04-01T12:00:00Z", "step_days": step, "counts": list(row)} for step, row in groups
    ]
    rows: Plain = [
        {"tenant": str(n), "records": 9, "oldest": "2026-01-01T00:00:00Z", "undated": n, "spread": one}
        for n, one in enumerate([*spread, None])
    ]
    return look(number, "stores", "ages", {"store": store}, rows)


def test_every_record_stands_at_its_age_whatever_the_steps_were() -> None:
    periods = look(1, "stores", "periods", {}, {"days": [["0", 90]]})
    checks = [
        checked(
            "retention.nothing_is_older_than_its_period", periods, counted("logs", (5, [1_000_000, 0, 2]), (5, [3]))
        ),
        checked(
            "retention.nothing_is_older_than_its_period",
            counted("logs", (5, [9])),
            counted("files", (15, [4, *[0] * 5, 1]), number=3),
            claim="other",
        ),
    ]
    chart = drawn(*checks)["ages"]
    assert chart.title == "Ages of records"
    assert chart.says == "How old the records in 2 stores were, in days: 1,000,010 records; the period is 90 days."
    assert chart.numbers.columns == ("age in days", "records", "files", "logs")
    assert chart.numbers.rows == (("0 to 15", "1,000,009", "4", "1,000,005"), ("90 to 105", "1", "1", "0"))
    assert chart.left == "Of 2 groups of records only the oldest is known. 4 records without a date."
    # One record that is over its period is seen beside a million that are not.
    heights = [
        float(box.get("height", "0"))
        for bar in ET.fromstring(chart.drawing).iter(f"{SVG}g")
        if bar.get("class") == "histbar" and (bar.findtext(f"{SVG}title") or "").endswith(": 1")
        for box in bar.iter(f"{SVG}rect")
    ]
    assert heights == [3]


def test_the_oldest_of_all_are_told_together() -> None:
    chart = drawn(checked("retention.nothing_is_older_than_its_period", counted("logs", (360, [*[0] * 35, 2]))))["ages"]
    assert chart.numbers.rows == (("12600 or more", "2"),)


def searched(number: int, **spans: tuple[str | None, str | None, dict[str, int]]) -> Observation:
    value: Plain = {
        "files": [],
        "unread": [{"source": "lost", "name": "", "reason": "denied"}] if number > 1 else [],
        "spans": [
            {
                "source": name,
                "first": first,
                "last": last,
                "days": [[day, lines] for day, lines in days.items()],
                "unread": 1,
            }
            for name, (first, last, days) in spans.items()
        ],
    }
    return look(number, "logs", "search", {}, value)


def test_logs_stand_in_time_with_the_days_on_which_they_have_nothing() -> None:
    app = {"2026-02-26": 5, "2026-02-27": 1, "2026-03-01": 7}
    checks = [
        checked(
            "credentials.leave_no_plain_copy",
            searched(1, app=("2026-02-26T23:00:00-02:00", "2026-03-01T10:00:00-02:00", app), plain=(None, None, {})),
        ),
        checked(
            "credentials.canaries_stay_out_of_logs",
            searched(2, app=(None, None, {"2026-03-01": 6}), days=(None, None, {"2026-02-28": 2})),
        ),
    ]
    chart = drawn(*checks)["log-times"]
    assert chart.numbers.rows == (
        ("app", "2026-02-27 01:00:00", "2026-02-28 02:00:00", "2", "6"),
        ("app", "2026-03-01 02:00:00", "2026-03-01 12:00:00", "1", "7"),
        ("days", "2026-02-28 00:00:00", "2026-03-01 00:00:00", "1", "2"),
    )
    assert chart.left == (
        "In 1 log no line carries a time that was read: plain. Not read to the end, so that more may be there: lost."
    )
    root = ET.fromstring(chart.drawing)
    bars = [one for one in root.iter(f"{SVG}g") if one.get("class") == "stretch"]
    assert [one.findtext(f"{SVG}title") for one in bars] == [
        "app: 2026-02-27 01:00:00 to 2026-02-28 02:00:00 UTC, 6 lines on 2 days",
        "app: 2026-03-01 02:00:00 to 2026-03-01 12:00:00 UTC, 7 lines on 1 day",
        "days: 2026-02-28 00:00:00 to 2026-03-01 00:00:00 UTC, 2 lines on 1 day",
    ]
    assert "the audit" in chart.drawing
    assert "<circle" not in chart.drawing


def test_a_log_of_a_moment_is_drawn_too_and_of_many_times_some() -> None:
    moment = {"app": ("2026-02-26T23:00:00Z", "2026-02-26T23:00:00Z", {"2026-02-26": 1})}
    chart = drawn(checked("credentials.leave_no_plain_copy", searched(1, **moment)))["log-times"]
    assert 'width="2.0"' in chart.drawing
    many = {f"log{n:03}": (None, None, {"2026-02-26": 1, "2026-02-28": 1, "2026-03-02": 1}) for n in range(200)}
    chart = drawn(checked("credentials.leave_no_plain_copy", searched(1, **many)))["log-times"]
    assert chart.drawing.count('class="stretch"') == len(chart.numbers.rows) == 300
    assert chart.left == "50 more logs in run.json. 150 more times in run.json."


def test_backups_and_samples_stand_where_they_were_in_time() -> None:
    backups = checked(
        "backups.taken_in_every_interval",
        look(1, "clock", "now", {}, "2026-04-03T00:00:00+00:00"),
        look(
            2,
            "backups",
            "base_backups",
            {},
            [{"name": f"b{n}", "kind": "base", "finished": f"2026-04-0{n}T00:00:00Z", "stored": 5000} for n in (1, 2)],
        ),
    )
    status = checked(
        "status.samples_have_no_gap",
        look(1, "status_page", "report", {}, {"samples": ["2026-04-01T00:00:00Z", "garbage", 7]}),
    )
    found = drawn(backups, status)
    assert [one[1:] for one in found["backups"].numbers.rows] == [
        ("2026-04-01 00:00:00", "b1, 5,000 bytes"),
        ("2026-04-02 00:00:00", "b2, 5,000 bytes"),
    ]
    assert found["backups"].drawing.count("<circle") == 2
    assert "the audit" in found["backups"].drawing
    assert found["samples"].drawing.count("<circle") == 1


def test_logs_show_how_far_they_were_searched() -> None:
    files: Plain = [{"source": "app", "lines": 5}, {"source": "app", "lines": 7}, {"source": "empty", "lines": 0}]
    chart = drawn(checked("credentials.leave_no_plain_copy", look(1, "logs", "search", {}, {"files": files})))["logs"]
    assert shades(chart) == {
        "let-in": ["app, leave_no_plain_copy: 12 lines"],
        "unseen": ["empty, leave_no_plain_copy: 0 lines"],
    }


def test_defects_show_what_is_caught_and_name_what_is_not() -> None:
    claim = sample.claim(Status.UPHELD, sample.check(sabotages_caught=("a",)), sabotages_seeded=("a", "b"))
    chart = next(one for one in charts(sample.run(claim)) if one.name == "defects")
    assert chart.numbers.rows == (("transit-tls12", "2", "1", "b"),)
    titles = [one.text for one in ET.fromstring(chart.drawing).iter(f"{SVG}title")]
    assert "no check is known to catch b" in titles


def test_what_was_not_observed_has_no_chart() -> None:
    unseen = [
        checked(
            name, look(1, "clock", "now", {}, None, reason="refused"), findings=(sample.finding(Verdict.INCONCLUSIVE),)
        )
        for _, names in OF_CHECKS
        for name in names
    ]
    assert drawn(*unseen) == {}
    assert 'id="drawn"' not in html.render(sample.run(sample.claim(Status.INCONCLUSIVE, *unseen)))


@pytest.mark.parametrize(
    "value",
    [None, True, 7, "x", [], {}, [1, [2]], {"x": {}}, [[]], {"operations": 5, "days": [[1, "x"]], "samples": 3}],
)
def test_what_another_version_recorded_draws_nothing_and_breaks_nothing(value: Plain) -> None:
    looks = [
        look(number, probe, name, value, value)
        for number, (probe, name) in enumerate(
            [
                ("access", "matrix"),
                ("access", "members"),
                ("api", "call"),
                ("access", "anonymous"),
                ("tls", "handshake"),
                ("clock", "now"),
                ("stores", "periods"),
                ("stores", "ages"),
                ("backups", "base_backups"),
                ("backups", "archiver"),
                ("status_page", "report"),
                ("logs", "search"),
            ]
        )
    ]
    assert drawn(*(checked(name, *looks) for _, names in OF_CHECKS for name in names)) == {}


@pytest.mark.parametrize("text", sample.HOSTILE.values(), ids=sample.HOSTILE)
def test_what_a_target_says_stays_text_in_a_drawing(text: str) -> None:
    check = roles(name=text)
    chart = drawn(check)["roles"]
    for element in ET.fromstring(chart.drawing).iter():
        assert element.tag.removeprefix(SVG) in ALLOWED
        assert not [name for name in element.attrib if name.startswith("on") or name in {"style", "href", "id"}]
    page = html.render(sample.run(sample.claim(Status.UPHELD, check)))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)


def everything() -> Run:
    checks = [
        roles(),
        aged(0, 30),
        *(
            drawable
            for drawable in (
                checked(
                    "status.samples_have_no_gap",
                    look(1, "status_page", "report", {}, {"samples": ["2026-04-01T00:00:00Z"]}),
                ),
            )
        ),
    ]
    return sample.run(sample.claim(Status.UPHELD, *checks, sabotages_seeded=("tls-1.0-accepted",)))


def test_drawings_bring_no_style_script_or_identifier_and_are_the_same_each_time() -> None:
    made = charts(everything())
    assert len(made) == 4
    for chart in made:
        assert {one.tag.removeprefix(SVG) for one in ET.fromstring(chart.drawing).iter()} <= ALLOWED
        assert not re.search(r"<!--|style|script|\bid=|pygal", chart.drawing)
    assert [one.drawing for one in charts(everything())] == [one.drawing for one in made]


def test_without_the_plotting_library_the_numbers_still_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygal", None)
    text = html.render(everything())
    assert "Not drawn: pygal is not installed" in text
    assert "refused (403)" in text


def test_drawing_leaves_the_imports_of_others_alone() -> None:
    assert charts(everything())
    assert [one for one in sys.meta_path if type(one).__module__.startswith("pygal")] == []


def test_large_matrices_are_cut_the_worst_kept_and_the_rest_counted() -> None:
    findings = [sample.finding(Verdict.PASS, f"op{n}: path id of globex, as acme") for n in range(400)]
    findings.append(sample.finding(Verdict.FAIL, "broken: path id of globex, as acme"))
    chart = drawn(checked("tenancy.foreign_identifiers_are_refused", findings=tuple(findings)))["tenants"]
    assert chart.numbers.rows[0][0] == "broken"
    assert chart.left == "251 more operations in run.json."


def test_each_check_that_is_drawn_is_one_that_is_calibrated() -> None:
    assert {name for _, names in OF_CHECKS for name in names} <= set(table().checks)


def test_a_histogram_needs_no_marks() -> None:
    assert "days" in histogram("Ages", [Bar(0.0, 100.0, 3)], "days", {})
