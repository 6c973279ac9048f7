"""Targets that are started: what keeps one from starting leaves every check inconclusive, with the reason."""

from __future__ import annotations

import contextlib

import pytest

from upheld.errors import InputError, TargetUnavailable
from upheld.target.start import TargetSource, find


class _Entry:
    def __init__(self, provider):
        self._provider = provider

    def load(self):
        return self._provider


def source(provider, *sabotages) -> TargetSource:
    return TargetSource("test", sabotages, entry=_Entry(provider))


def test_a_provider_is_started_and_stopped(tmp_path):
    said = []

    @contextlib.contextmanager
    def provider(sabotages):
        said.append(("start", tuple(sabotages)))
        path = tmp_path / "target.yaml"
        path.write_text("upheld: target/1\nname: x\nenvironment: staging\n")
        yield path
        said.append("stop")

    with source(provider, "one").started() as path:
        assert path.name == "target.yaml"
    assert said == [("start", ("one",)), "stop"]


def test_a_provider_that_fails_is_a_target_that_is_not_available():
    def provider(_):
        raise RuntimeError("no room")

    with pytest.raises(TargetUnavailable, match="no room"), source(provider).started():
        pass


def test_an_unknown_sabotage_is_wrong_input():
    @contextlib.contextmanager
    def provider(_):
        raise LookupError("no sabotage is called 'x'")
        yield

    with pytest.raises(InputError, match="no sabotage is called"), source(provider, "x").started():
        pass


def test_a_provider_that_describes_itself_wrongly_is_stopped_and_not_available(tmp_path):
    stopped = []

    @contextlib.contextmanager
    def provider(_):
        path = tmp_path / "target.yaml"
        path.write_text("name: 336e1892\n")
        try:
            yield path
        finally:
            stopped.append(True)

    with pytest.raises(TargetUnavailable, match="describes itself wrongly"), source(provider).started():
        pass
    assert stopped


def test_the_embedded_reference_is_found_and_names_nearest_sabotage():
    found = find("reference", ["tls_1_1_on_one_prot"])
    # By what it names: its class may be that of importlib_metadata, where something in the process has imported that.
    assert found.entry is not None
    assert found.entry.value == "upheld_reference:embedded"
    with pytest.raises(InputError, match="tls_1_1_on_one_port"), found.started():
        pass
