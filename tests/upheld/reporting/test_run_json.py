"""run.json holds the whole run, is valid by its published schema, and reads back as what was written."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from upheld.errors import InputError
from upheld.model import Run, Status, Verdict
from upheld.reporting import run_json
from upheld.running import FORMAT

from . import sample

SCHEMA = Path(__file__).parents[3] / "schema" / "run.schema.json"


def validate(document: object) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)


def test_a_run_survives_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    run_json.write(sample.full(), path)
    assert run_json.read(path) == sample.full()


def test_the_published_schema_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == run_json.schema_text(), (
        "run: python -m upheld.reporting.run_json > schema/run.schema.json"
    )


@pytest.mark.parametrize(
    "run", [sample.full(), sample.run(), sample.hostile("\x00\ud800")], ids=["full", "empty", "hostile"]
)
def test_every_document_is_valid_by_the_schema(run: Run) -> None:
    validate(json.loads(run_json.dumps(run)))


def test_the_schema_refuses_a_document_that_lacks_or_adds_something() -> None:
    document = json.loads(run_json.dumps(sample.full()))
    for change in ({"claims": None}, {"verdict": "all good"}, {"format": "upheld-run/0"}):
        with pytest.raises(jsonschema.ValidationError):
            validate({**document, **change})
    del document["claims"][0]["checks"][0]["calibrated"]
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_the_format_is_the_one_that_runs_carry() -> None:
    assert run_json.FORMAT == FORMAT


def test_keys_stand_in_the_order_of_the_model_and_claims_say_what_they_rest_on() -> None:
    document = json.loads(run_json.dumps(sample.full()))
    assert list(document) == list(Run.__slots__)
    refuted = next(one for one in document["claims"] if one["status"] == "refuted")
    assert (refuted["id"], refuted["basis"]) == ("rate-limits", "observed")
    check = refuted["checks"][0]
    assert (check["id"], check["verdict"]) == ("limits.every_operation_is_limited", "fail")
    assert check["reason"]
    assert check["findings"][0]["subject"] == "POST /v1/partner/events"


def test_the_same_run_gives_the_same_bytes_in_utf8() -> None:
    run = sample.run(sample.claim(statement="Zürich ✓"))
    assert run_json.dumps(run) == run_json.dumps(run)
    assert "Zürich ✓" in run_json.dumps(run).decode()


@pytest.mark.parametrize("text", sample.HOSTILE.values(), ids=sample.HOSTILE)
def test_whatever_a_target_sends_can_be_written_and_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run_json.write(sample.hostile(text), path)
    back = run_json.read(path)
    if text != sample.HOSTILE["surrogate"]:
        assert back == sample.hostile(text)
    else:
        assert back.policy == r"a\ud800b\udfffc"


def test_numbers_that_json_lacks_and_deep_nesting_do_not_lose_the_run(tmp_path: Path) -> None:
    deep: object = "bottom"
    for _ in range(400):
        deep = [deep]
    looks = (sample.observation(value={"odd": [float("nan"), float("inf")]}), sample.observation(2, value=deep))  # type: ignore[arg-type]
    path = tmp_path / "run.json"
    run_json.write(sample.run(sample.claim(Status.UPHELD, sample.check(observations=looks))), path)
    assert run_json.read(path).claims[0].checks[0].observations[0].value == {"odd": ["NaN", "Infinity"]}
    text = path.read_text(encoding="utf-8")
    assert "cut: nested deeper" in text
    assert "NaN," not in text.replace('"NaN",', "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "EOF"),
        (b'{"format": ', "EOF"),
        (b"[]", "object"),
        (b'{"format": "upheld-run/1"}', "Field required"),
        (b"\xff", "JSON"),
    ],
)
def test_what_is_no_run_is_refused_with_its_file_and_place(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        run_json.read(path)
    assert all(mistake.file == str(path) for mistake in caught.value.mistakes)


def test_another_format_a_made_up_status_and_a_number_as_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run_json.write(replace(sample.full(), format="upheld-run/2"), path)
    with pytest.raises(InputError, match="another format"):
        run_json.read(path)
    for old, new in ((b'"refuted"', b'"fine"'), (b'"planned": 6', b'"planned": "6"')):
        data = run_json.dumps(sample.full())
        assert old in data
        path.write_bytes(data.replace(old, new))
        with pytest.raises(InputError, match=r"claims\.2\.status|planned"):
            run_json.read(path)


def test_writing_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    run_json.write(sample.run(), path)
    assert [one.name for one in tmp_path.iterdir()] == ["run.json"]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR
    folder = tmp_path / "folder.json"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        run_json.write(sample.run(), folder)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder.json", "run.json"]


def test_a_large_run_is_written_whole(tmp_path: Path) -> None:
    findings = tuple(sample.finding(Verdict.PASS, f"subject {number}") for number in range(50_000))
    run = sample.run(sample.claim(Status.UPHELD, sample.check(Verdict.PASS, *findings)))
    run_json.write(run, tmp_path / "run.json")
    assert len(run_json.read(tmp_path / "run.json").claims[0].checks[0].findings) == 50_000
