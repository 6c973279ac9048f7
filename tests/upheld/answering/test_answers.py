"""Questionnaires with answers: nothing smoothed, nothing internal, nothing that starts a formula, everything else kept."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import openpyxl
import pytest
import yaml
from click.testing import CliRunner
from lxml import etree
from openpyxl.comments import Comment
from openpyxl.styles import Font

from upheld.answering import feed
from upheld.answering.answers import COLUMNS
from upheld.answering.questionnaires import harmless
from upheld.cli.main import cli
from upheld.errors import InputError
from upheld.model import Run, Status
from upheld.reporting import run_json
from upheld.sharing.disclosing import GOOD_FOR, Terms, audited, disclose

from ..reporting import sample

MFA = "Is multi-factor authentication required for all internal accounts?"
QUESTIONS = [MFA, "Are backups encrypted?", "Is production access reviewed?", "Do you have a SOC 2 report?"]


def run_of(**changes) -> Run:
    claims = [
        sample.claim(
            Status.UPHELD,
            id="mfa",
            statement="Multi-factor authentication required for all internal accounts",
            section="Access",
        ),
        sample.claim(Status.REFUTED, id="backups", statement="Backups: encrypted before transmission", section="Data"),
        sample.claim(Status.INCONCLUSIVE, id="review", statement="=Production access is reviewed", section="Access"),
        sample.claim(Status.UPHELD, id="logs", statement="Logs are retained for 90 days", section="Data"),
    ]
    keyed = [
        dataclasses.replace(one, checks=tuple(dataclasses.replace(check, key=f"k{number}") for check in one.checks))
        for number, one in enumerate(claims)
    ]
    return sample.run(*keyed, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_bytes(run_json.dumps(run_of()))
    return tmp_path


def upheld(*arguments: object):
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def test_answers_say_status_sentence_evidence_and_date_and_smooth_nothing(folder: Path) -> None:
    file = folder / "asked.csv"
    file.write_text(
        "Nr;Question\n" + "".join(f"{number};{one}\n" for number, one in enumerate(QUESTIONS)), encoding="utf-8"
    )
    done = upheld("answer", file, "--run", folder / "run")
    assert done.exit_code == 3, done.output
    assert "4 questions: 1 refuted, 1 inconclusive, 1 upheld, 1 unmatched" in done.output
    text = (folder / "asked.answered.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["Nr"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["upheld status"] for row in rows] == ["upheld", "refuted", "inconclusive", "unmatched"]
    assert rows[0]["upheld sentence"] == "Multi-factor authentication required for all internal accounts"
    assert rows[0]["upheld basis"] == "observed"
    assert rows[0]["upheld evidence"].startswith("run 7d0c2f0e-6f0b-4c1e-9a53-1f1f0d8f2a11, claim mfa, leaf ")
    assert rows[0]["upheld audited"] == "2026-03-02"
    assert rows[1]["upheld explained"] == "At least one check found that the claim does not hold."
    assert rows[2]["upheld sentence"] == "'=Production access is reviewed"
    assert rows[3]["upheld explained"] == "No published claim answers this question."
    assert rows[3]["upheld sentence"] == rows[3]["upheld evidence"] == ""
    assert all("not production" in row["upheld caveats"] for row in rows)


def test_nothing_internal_is_told(folder: Path) -> None:
    file = folder / "asked.yaml"
    file.write_text(yaml.safe_dump(QUESTIONS), encoding="utf-8")
    upheld("answer", file, "--run", folder / "run")
    text = (folder / "asked.answered.yaml").read_text(encoding="utf-8")
    for word in ("api.example.com", "staging.yaml", "rivet-staging", "platform", "no answer within", "DHE", "office"):
        assert word not in text
    told = yaml.safe_load(text)
    assert [one["answer"]["status"] for one in told] == ["upheld", "refuted", "inconclusive", "unmatched"]


def test_claims_that_are_not_shared_answer_nothing(folder: Path) -> None:
    file = folder / "asked.yaml"
    file.write_text(yaml.safe_dump({"from": "Acme", "questions": [{"id": 7, "question": MFA}]}), encoding="utf-8")
    assert upheld("answer", file, "--run", folder / "run", "--claims", "logs").exit_code == 3
    told = yaml.safe_load((folder / "asked.answered.yaml").read_text(encoding="utf-8"))
    assert told["from"] == "Acme"
    assert (told["questions"][0]["id"], told["questions"][0]["answer"]["status"]) == (7, "unmatched")


def test_a_number_that_was_not_published_is_said(folder: Path) -> None:
    file = folder / "asked.yaml"
    file.write_text(yaml.safe_dump(["Are logs retained for one year?"]), encoding="utf-8")
    upheld("answer", file, "--run", folder / "run")
    (told,) = yaml.safe_load((folder / "asked.answered.yaml").read_text(encoding="utf-8"))
    assert told["answer"]["sentence"] == "Logs are retained for 90 days"
    assert "The question says “one year”; what was published does not." in told["answer"]["explained"]


def test_a_workbook_keeps_its_other_cells_and_gets_texts_only(folder: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"], sheet["A3"], sheet["B3"], sheet["C3"] = "Acme Bank", "Ref", "Question", "Score"
    for number, question in enumerate(QUESTIONS, 4):
        sheet.cell(number, 1, number)
        sheet.cell(number, 2, question)
        sheet.cell(number, 3, f"=A{number}*2")
    sheet["A1"].font, sheet["B4"].comment = Font(bold=True), Comment("answer soon", "Acme")
    book.create_sheet("Terms")["A1"] = "Keep me"
    book.save(folder / "asked.xlsx")
    assert upheld("answer", folder / "asked.xlsx", "--run", folder / "run").exit_code == 3
    answered = openpyxl.load_workbook(folder / "asked.answered.xlsx")
    found = answered.worksheets[0]
    assert answered["Terms"]["A1"].value == "Keep me"
    assert (found["A1"].value, found["A1"].font.bold, found["B4"].comment.text) == ("Acme Bank", True, "answer soon")
    assert [found.cell(row, 3).value for row in range(4, 8)] == [f"=A{row}*2" for row in range(4, 8)]
    assert [found.cell(3, 4 + at).value for at in range(len(COLUMNS))] == [f"upheld {name}" for name in COLUMNS]
    assert [found.cell(row, 4).value for row in range(4, 8)] == ["upheld", "refuted", "inconclusive", "unmatched"]
    sentence = found.cell(6, 5)
    assert (sentence.value, sentence.data_type, sentence.quotePrefix) == ("=Production access is reviewed", "s", True)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1+1", "|calc", "%0A=1"]
)
def test_what_could_start_a_formula_cannot(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Yes", "-5", "+3.5", "1,000", "50%", "a=b"])
def test_other_cells_stay(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.docx", b"x", "is no questionnaire"),
        ("a.csv", b"\xff\xfe\x00", "is not UTF-8"),
        ("a.csv", b"Name,Answer\nx,y\n", "no column is called Question"),
        ("a.csv", b"", "no column is called Question"),
        ("a.xlsx", b"no zip", "is no workbook"),
        ("a.yaml", b"a: 1\n", "is no questionnaire"),
        ("a.yaml", b"[1]\n", "an entry asks nothing"),
        ("b.csv", None, "cannot be read"),
    ],
)
def test_what_is_no_questionnaire_is_refused(folder: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    done = upheld("answer", folder / name, "--run", folder / "run")
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert not list(folder.glob("*.answered*"))


def test_a_file_that_is_there_is_not_overwritten(folder: Path) -> None:
    (folder / "asked.csv").write_text(f"Question\n{MFA}\n", encoding="utf-8")
    assert upheld("answer", folder / "asked.csv", "--run", folder / "run").exit_code == 0
    assert "is there already" in str(upheld("answer", folder / "asked.csv", "--run", folder / "run").exception)
    assert upheld("answer", folder / "asked.csv", "--run", folder / "run", "--force").exit_code == 0


# --- changes ---------------------------------------------------------------------------------------------------------------


def later() -> Run:
    first, second, third, fourth = run_of().claims
    return run_of(
        id="later",
        started="2026-04-02T09:30:00.000Z",
        finished="2026-04-02T09:31:00.000Z",
        claims=(
            dataclasses.replace(first, status=Status.REFUTED),
            dataclasses.replace(second, status=Status.UPHELD),
            dataclasses.replace(fourth, statement="Logs are retained for 60 days <b>*now*</b>"),
            dataclasses.replace(third, id="fresh", status=Status.UNCOVERED, statement="Pages are signed", checks=()),
        ),
    )


def changed(before: Run, now: Run) -> feed.Changed:
    told = [disclose(one, Terms("x", audited(one), audited(one) + GOOD_FOR), None) for one in (before, now)]
    return feed.changed(before, now, *told)


def test_the_feed_tells_what_changed_the_worst_first() -> None:
    made = changed(run_of(), later())
    assert [(one.kind, one.claim) for one in made.entries] == [
        ("worse", "mfa"),
        ("better", "backups"),
        ("reworded", "logs"),
        ("new", "fresh"),
        ("gone", "review"),
    ]
    assert made.entries[0].text == "was upheld, and is refuted. At least one check found that the claim does not hold."
    assert made.entries[2].text == "is upheld, as before. It said before: “Logs are retained for 90 days”."
    assert changed(run_of(), run_of(id="same", started="2026-04-02T09:30:00.000Z")).entries == ()


def test_the_three_formats_carry_the_same_and_no_markup_of_a_claim() -> None:
    made = changed(run_of(), later())
    text = feed.markdown(made).decode()
    assert "\\<b\\>\\*now\\*" in text
    items = json.loads(feed.json_feed(made))["items"]
    atom = etree.fromstring(feed.atom(made))
    space = {"a": "http://www.w3.org/2005/Atom"}
    titles = [one.title for one in made.entries]
    assert [one["title"] for one in items] == titles
    assert atom.xpath("a:entry/a:title/text()", namespaces=space) == titles
    assert atom.xpath("a:entry/a:content/text()", namespaces=space) == [one.text for one in made.entries]
    assert len(set(atom.xpath("a:entry/a:id/text()", namespaces=space))) == 5
    for content in (text.encode(), feed.json_feed(made), feed.atom(made)):
        for word in (b"api.example.com", b"platform", b"rivet-staging", b"no answer within"):
            assert word not in content
        assert b"not production" in content


def test_a_selection_is_not_taken_for_what_is_gone() -> None:
    one = dataclasses.replace(later(), selected=("mfa",), claims=later().claims[:1])
    made = changed(run_of(), one)
    assert [entry.kind for entry in made.entries] == ["worse"]
    assert any("selection" in notice for notice in made.notices)


def test_the_command_writes_and_refuses(folder: Path) -> None:
    (folder / "now").mkdir()
    (folder / "now/run.json").write_bytes(run_json.dumps(later()))
    done = upheld("changes", "--since", folder / "run", "--run", folder / "now")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("# Rivet security page: what changed from 2026")
    done = upheld(
        "changes", "--since", folder / "run", "--run", folder / "now", "--format", "atom", "--out", folder / "feed.xml"
    )
    assert "5 changes: 1 worse, 1 better, 1 reworded, 1 new, 1 gone" in done.output
    assert isinstance(upheld("changes", "--since", folder / "now", "--run", folder / "run").exception, InputError)
    assert isinstance(upheld("changes", "--since", folder / "run", "--run", folder / "run").exception, InputError)
