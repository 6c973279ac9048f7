"""Targets that are started: what keeps one from starting leaves every check inconclusive, with the reason."""

from __future__ import annotations

import contextlib

import pytest

from upheld.errors import InputError, TargetUnavailable
from upheld.plugin.audit import Audit
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


class Begun:
    """A provider whose target comes up by itself once it was begun."""

    def __init__(self, folder, said, fault=None):
        self.folder, self.said, self.fault = folder, said, fault

    def __call__(self, _sabotages):
        return self

    def begin(self):
        self.said.append("begin")
        if self.fault is not None:
            raise self.fault

    def __enter__(self):
        if not self.said:
            self.begin()
        self.said.append("wait")
        path = self.folder / "target.yaml"
        path.write_text("upheld: target/1\nname: x\nenvironment: staging\n")
        return path

    def __exit__(self, *_):
        self.said.append("stop")


def test_a_provider_may_begin_its_target_before_anybody_waits_for_it(tmp_path):
    said = []
    found = source(Begun(tmp_path, said))
    begun = found.begun()
    assert said == ["begin"]
    with found.started(begun=begun):
        assert said == ["begin", "wait"]
    assert said == ["begin", "wait", "stop"]


def test_what_cannot_be_begun_says_why_when_it_is_started(tmp_path):
    @contextlib.contextmanager
    def provider(_):
        yield tmp_path

    assert source(provider).begun() is None
    assert TargetSource("file", file=tmp_path / "target.yaml").begun() is None
    with pytest.raises(InputError, match="no sabotage is called"):
        source(Begun(tmp_path, [], LookupError("no sabotage is called 'x'"))).begun()
    broken = source(Begun(tmp_path, [], RuntimeError("no room")))
    assert broken.begun() is None
    broken = source(Begun(tmp_path, [], RuntimeError("no room")))
    with pytest.raises(TargetUnavailable, match="no room"), broken.started():
        pass


@pytest.mark.parametrize("wrong", [True, False])
def test_a_target_that_was_begun_is_stopped_whether_it_was_waited_for_or_not(tmp_path, wrong):
    said = []
    policy = tmp_path / "policies.yaml"
    claim = "  - {id: a, statement: It is so., section: S, severity: low, owner: platform, checks: []}\n"
    policy.write_text(f"upheld: policy/1\nname: x\nclaims:\n{claim}" + ("nonsense: 1\n" if wrong else ""))
    if wrong:
        with pytest.raises(InputError):
            Audit(policy, source(Begun(tmp_path, said)), begin=True)
    else:
        with Audit(policy, source(Begun(tmp_path, said)), begin=True):
            pass
    assert said == ["begin", "stop"]


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
