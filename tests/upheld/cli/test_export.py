"""`upheld export`, and `upheld run --export`: a real run, its files, and what is said of wrong input."""

from __future__ import annotations

import json
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from upheld.cli.export import export_run
from upheld.cli.run import run
from upheld.errors import InputError
from upheld.exporting import FORMATS
from upheld.exporting.rows import aged
from upheld.reporting import run_json

from ..reporting import sample


def test_a_run_is_exported_at_its_end_and_again_from_its_folder(project):
    project.claims(("good", "own.holds"), ("bad", "own.is_broken"), ("dark", "own.is_dark"), ("bare", ""))
    done = project.upheld(
        "run", "-n", "0", "--out", "out", "--export", "junit=views/junit.xml", "--export", "sarif=u.sarif"
    )
    assert done.returncode == 1, done.stderr
    at_end = (project.folder / "views" / "junit.xml").read_bytes()
    outcomes = {case.attrib["name"]: [one.tag for one in case] for case in ET.fromstring(at_end).iter("testcase")}
    assert outcomes == {"good": [], "bad": ["failure"], "dark": ["error"], "bare": ["error"]}
    assert len(json.loads((project.folder / "u.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]) == 3
    again = CliRunner().invoke(
        export_run, [str(project.folder / "out"), "--format", "junit", "--out", str(project.folder / "again.xml")]
    )
    assert (again.exit_code, again.output) == (0, "")
    assert (project.folder / "again.xml").read_bytes() == at_end


@pytest.mark.parametrize(
    ("given", "words"), [("junitt=x", "'junit'"), ("junit", "FORMAT=FILE"), ("=x", "no such format")]
)
def test_wrong_input_is_said_before_anything_is_run(given, words, tmp_path):
    with pytest.raises(InputError, match=words):
        CliRunner().invoke(run, ["--export", given, "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        CliRunner().invoke(export_run, [str(tmp_path), "--format", "sarif"], catch_exceptions=False)


def test_standard_output_holds_the_document_alone(tmp_path):
    run_json.write(sample.full(), tmp_path / "run.json")
    for name in FORMATS:
        done = CliRunner().invoke(export_run, [str(tmp_path), "--format", name])
        assert done.exit_code == 0, done.output
        assert (
            done.stdout_bytes
            == CliRunner().invoke(export_run, [str(tmp_path / "run.json"), "--format", name]).stdout_bytes
        )


def test_a_waiver_that_expired_since_the_run_counts_for_nothing():
    made = sample.full()
    assert not aged(made, date(2026, 4, 30)).waivers[0].expired
    later = aged(made, date(2026, 5, 1))
    assert later.waivers[0].expired
    assert [waiver.expired for claim in later.claims for waiver in claim.waivers] == [True]
    garbled = sample.dataclasses.replace(made, waivers=(sample.dataclasses.replace(made.waivers[0], expires="soon"),))
    assert aged(garbled, date(2026, 1, 1)).waivers[0].expired
