"""The metrics are what Prometheus reads, and say of nothing that nobody saw that it holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from ledgers import START, claim, made, of, run
from upheld.cli.watch import write_metrics
from upheld.model import Status, Waiver

NOW = START + timedelta(days=9)


@pytest.fixture
def ledger(tmp_path):
    return made(tmp_path / "ledger.sqlite")


def read(ledger, tmp_path):
    """Every sample, by its name and the labels that tell it from others of the series."""
    path = tmp_path / "metrics" / "upheld.prom"
    write_metrics(ledger, ledger.runs(), path, NOW)
    text = path.read_text(encoding="utf-8")
    families = list(openmetrics(text))
    assert {family.name for family in prometheus(text)} == {family.name for family in families}
    assert text.endswith("# EOF\n")
    found = {}
    for family in families:
        for one in family.samples:
            labels = {
                name: value
                for name, value in one.labels.items()
                if name not in {"target", "environment", "policy", "severity"}
            }
            found[one.name, *labels.values()] = one.value
    return found


def test_the_newest_run_is_what_the_metrics_say(ledger, tmp_path):
    waiver = Waiver("two", "because", "bob", "2026-05-01")
    ledger.add(run("r0", START, claim("one"), claim("two")))
    ledger.add(run("r1", START + timedelta(days=1), claim("one", Status.REFUTED), claim("two", waivers=(waiver,))))
    ledger.note("missed", {"watch": "w", "first": "", "last": "", "count": 3, "reason": "x"})
    found = read(ledger, tmp_path)
    status = {key[1:]: value for key, value in found.items() if key[0] == "upheld_claim_status"}
    assert {key for key, value in status.items() if value == 1} == {("one", "refuted"), ("two", "upheld")}
    assert len(status) == 14
    at = (START + timedelta(days=1)).timestamp()
    assert found["upheld_claim_refuted_since_timestamp_seconds", "one"] == at
    assert found["upheld_claim_observed_timestamp_seconds", "two"] == at
    assert found["upheld_claim_lapses_timestamp_seconds", "two", "waiver"] > at
    assert found["upheld_run_started_timestamp_seconds",] == at
    assert (found["upheld_run_complete",], found["upheld_runs_missed",]) == (1, 3)
    assert found["upheld_notices_undelivered",] == 0


def test_a_run_without_an_end_makes_everything_not_observed(ledger, tmp_path):
    ledger.add(of({"one": Status.UPHELD}, "r0", START))
    ledger.begin(of({"one": Status.UPHELD}, "r1", START + timedelta(days=1)))
    found = read(ledger, tmp_path)
    assert found["upheld_claim_status", "one", "not observed"] == 1
    assert found["upheld_claim_status", "one", "upheld"] == 0
    assert found["upheld_run_complete",] == 0
    assert found["upheld_claim_observed_timestamp_seconds", "one"] == START.timestamp()


def test_names_that_are_odd_stay_one_line_each(ledger, tmp_path):
    ledger.add(of({"one": Status.UPHELD}, "r0", START, target='a "shop"\n\\ of {sorts}'))
    found = read(ledger, tmp_path)
    assert found["upheld_claim_status", "one", "upheld"] == 1
