"""A place that hangs is asked a few times only, and costs the others nothing."""

from __future__ import annotations

import pytest

from upheld.errors import TimedOut
from upheld.probes import silence
from upheld.probes.silence import TIME_OUTS, Silence


def test_after_some_time_outs_in_a_row_a_place_is_left_alone():
    quiet = Silence()
    for _ in range(TIME_OUTS):
        quiet.check("www")
        quiet.timed_out("www")
    with pytest.raises(TimedOut, match="left alone"):
        quiet.check("www")
    quiet.check("api")


def test_an_answer_between_time_outs_starts_the_count_anew():
    quiet = Silence()
    for _ in range(TIME_OUTS - 1):
        quiet.timed_out("www")
    quiet.answered("www")
    quiet.timed_out("www")
    quiet.check("www")


def test_it_is_asked_once_more_after_a_rest(monkeypatch):
    quiet = Silence()
    for _ in range(TIME_OUTS):
        quiet.timed_out("www")
    monkeypatch.setattr(silence, "REST_SECONDS", 0.0)
    quiet.check("www")
