"""No status becomes better by being exported: over all states of the lattice, each format read by its own rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from upheld.exporting import FORMATS, export
from upheld.exporting.rows import Shown, rows
from upheld.model import Run, Status
from upheld.reporting.text import safe

from ..reporting import sample
from . import lattice, schemas
from .readers import READERS, texts

every_format = pytest.mark.parametrize("name", FORMATS)


def test_every_format_has_a_reader_and_every_reader_a_word_for_every_status():
    assert set(READERS) == set(FORMATS)
    for name, reader in READERS.items():
        assert set(reader.table) == set(Shown), name
        assert set(reader.table.values()) <= set(reader.order), name


@every_format
def test_the_table_of_a_format_never_rises_and_only_upheld_is_its_best(name):
    reader = READERS[name]
    ranks = [reader.order.index(reader.table[shown]) for shown in Shown]
    assert ranks == sorted(ranks)
    assert [shown for shown in Shown if reader.table[shown] == reader.order[0]] == [Shown.UPHELD]
    assert reader.table[Shown.REFUTED] == reader.order[-1]


@every_format
def test_a_reader_sees_what_the_table_says_in_every_state(name):
    reader = READERS[name]
    for status, findings, waived, complete, selected in lattice.states():
        claim = lattice.claim(status, findings, waived)
        run = lattice.run(claim, complete=complete, selected=("the-claim",) if selected else ())
        data = export(run, name)
        schemas.check(name, data)
        expected = {"the-claim": reader.table[Shown(status.value)]}
        if not complete:
            expected["run-came-to-its-end"] = reader.table[Shown.INCONCLUSIVE]
        if selected:
            expected["run-covers-the-policy"] = reader.table[Shown.PARTIAL]
        assert reader.sees(data) == expected, (status, findings, waived, complete, selected)
        if reader.whole is not None:
            good = complete and (reader.whole_of_run_only or (status is Status.UPHELD and not selected))
            assert (reader.whole(data) == reader.whole_good) is good, (status, findings, waived, complete, selected)


@every_format
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(run=lattice.runs())
def test_no_run_whatever_looks_better_than_it_is(name, run: Run):
    reader = READERS[name]
    data = export(run, name)
    schemas.check(name, data)
    seen = reader.sees(data)
    assert set(seen) == {row.id for row in rows(run)}
    for row in rows(run):
        assert reader.order.index(seen[row.id]) >= reader.order.index(reader.table[row.shown])
    if not run.complete or len([1 for claim in run.claims for _ in claim.checks]) != run.planned or not run.claims:
        assert any(verdict != reader.order[0] for verdict in seen.values())


@every_format
def test_a_full_and_a_hostile_run_are_valid_and_the_same_run_gives_the_same_bytes(name):
    for run in (sample.full(), sample.run(), *map(sample.hostile, sample.HOSTILE.values()), sample.hostile("")):
        data = export(run, name)
        schemas.check(name, data)
        assert export(run, name) == data
        assert [text for text in texts(name, data) if text != safe(text)] == []


@every_format
def test_a_huge_value_is_cut_and_says_how_long_it_was(name):
    run = sample.hostile("é" * 2_000_000)
    data = export(run, name)
    schemas.check(name, data)
    assert len(data) < 500_000
    assert "2000000 characters in all" in data.decode().replace("\\", "").replace("2,000,000", "2000000")


@every_format
def test_what_the_run_is_not_stands_in_every_format(name):
    marked = sample.full()
    texts = {
        "did not complete": lattice.run(lattice.claim(Status.UPHELD), complete=False),
        "Only selected claims were audited": lattice.run(lattice.claim(Status.UPHELD), selected=("the-claim",)),
        "defects put in on purpose": sample.run(
            lattice.claim(Status.UPHELD),
            target=sample.dataclasses.replace(marked.target, sabotages=("tls-1.0-accepted",)),
        ),
        "Recorded samples": sample.run(
            lattice.claim(Status.UPHELD), target=sample.dataclasses.replace(marked.target, samples=("host",))
        ),
    }
    for words, run in texts.items():
        assert words in export(run, name).decode(), words


@every_format
def test_nothing_is_said_that_run_json_does_not_hold(name, tmp_path: Path):
    from upheld.reporting import run_json

    path = tmp_path / "run.json"
    for run in (sample.full(), sample.hostile("a\ud800b\udfffc")):
        run_json.write(run, path)
        assert export(run_json.read(path), name) == export(run, name)


@every_format
def test_docs_exports_has_the_table(name):
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
    heading = f"## {name}\n"
    assert heading in page
    section = page.split(heading)[1].split("\n## ")[0]
    for shown, verdict in READERS[name].table.items():
        assert f"| {shown.value} | {verdict} |" in section, json.dumps([shown, verdict])
