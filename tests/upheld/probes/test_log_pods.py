"""Outputs of pods: the real kubectl, before what stands in for a cluster's API."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cluster_api import ClusterApi, Pod, Run
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.logs import Logs

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)
SELECTED = {"selector": "app=shop"}


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterApi]:
    folder = tmp_path_factory.mktemp("cluster")
    monkeypatch.setenv("HOME", str(folder))
    running = ClusterApi(folder)
    yield running
    running.stop()


@pytest.fixture
def logs(session_of: Callable[..., Session], cluster: ClusterApi) -> Callable[..., Logs]:
    def make(choice: dict[str, Any] | None = None, **more: Any) -> Logs:
        pods = {"namespace": "shop", "kubeconfig": str(cluster.kubeconfig), "context": "shop", **(choice or SELECTED)}
        source = {"name": "shop", "kubectl": pods, "cluster": cluster.url, "security": True, **more}
        probe = session_of(logs=[source]).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


def pod(cluster: ClusterApi, name: str = "web-0", **labels: str) -> Pod:
    made = Pod(name, f"uid-of-{name}", {"app": "shop", **labels})
    cluster.pods.append(made)
    made.write("started")
    return made


def test_every_container_of_every_pod_is_searched(logs: Callable[..., Logs], cluster: ClusterApi) -> None:
    one, two = pod(cluster), pod(cluster, "web-1")
    one.containers["proxy"] = [Run()]
    pod(cluster, "other-0", app="other").write(f"not of these pods: {SECRET}")
    probe = logs()
    probe._begun = datetime.now(UTC)
    one.write(f"token={SECRET}")
    two.write(f"token={SECRET}", "proxy")
    two.containers["proxy"][0].lines[0] = (1, two.containers["proxy"][0].lines[0][1])
    searched = probe.search(FOUND)
    assert [(hit.file, hit.line) for hit in searched.hits] == [("web-0/web", 2), ("web-1/proxy", 1)]
    assert not searched.unread
    assert not any(f"T{hour:02}:" in hit.excerpt for hit in searched.hits for hour in range(24))
    assert [hit.file for hit in logs({"pod": "web-0"}).search(FOUND).hits] == ["web-0/web"]
    with pytest.raises(Unobservable, match="nothing is kept there"):
        logs({"pod": "web-0", "container": "proxy"}).search(FOUND)


def test_what_came_since_a_mark_counts_to_the_nanosecond(logs: Callable[..., Logs], cluster: ClusterApi) -> None:
    web = pod(cluster)
    web.write("login of anna failed")
    probe = logs()
    mark = probe.mark()
    assert not probe.contains("anna failed", since=mark).found
    web.write("login of anna failed")
    pod(cluster, "web-1").write("login of Anna failed")
    assert probe.contains("anna failed", since=mark, kind="security").count == 2
    assert probe.lines_since(mark) == 3
    web.containers["web"][0].lines[0] = (1, b"started long ago\n")
    cluster.pods.pop()
    assert probe.contains("anna failed", since=mark.at).count == 1
    assert any("sinceTime=" in one for one in cluster.asked)


def test_the_run_before_a_restart_is_read_too(logs: Callable[..., Logs], cluster: ClusterApi) -> None:
    web = pod(cluster)
    probe = logs()
    mark = probe.mark()
    probe._begun = datetime.now(UTC)
    web.containers["web"][0].lines[0] = (1, b"started long ago\n")
    web.write(f"crashed with {SECRET}")
    web.crash(waits=True)
    assert probe.contains("crashed with", since=mark).count == 1
    web.crash()
    web.write("started anew")
    searched = probe.search(FOUND)
    assert [hit.line for hit in searched.hits] == [2]
    assert not searched.unread
    assert probe.lines_since(mark) == 2


def test_what_restarts_and_replacements_lost_is_not_taken_for_not_there(
    logs: Callable[..., Logs], cluster: ClusterApi
) -> None:
    web = pod(cluster)
    probe = logs()
    mark = probe.mark()
    web.write(f"crashed with {SECRET}")
    for _ in range(2):
        web.crash()
        web.write("started anew")
    with pytest.raises(Unobservable, match="started anew since"):
        probe.contains("crashed with", since=mark)
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)
    # Another pod of the name, as a stateful set makes it.
    mark = probe.mark()
    cluster.pods[0] = Pod("web-0", "another-uid", {"app": "shop"})
    cluster.pods[0].write("started")
    with pytest.raises(Unobservable, match="another pod has its name since"):
        probe.contains("crashed with", since=mark)
    # Another pod of another name, as a deployment makes it.
    cluster.pods[0] = Pod("web-7d9f", "a-third-uid", {"app": "shop"})
    cluster.pods[0].write("started")
    with pytest.raises(Unobservable, match="is not there any more"):
        probe.contains("crashed with", since=mark)
    cluster.pods[0].containers["web"][0].lines[0] = (1, b"started long ago\n")
    gone = {one.reason for one in probe.search(FOUND).unread}
    assert gone == {"its pod is gone, and what it wrote is not kept"}


def test_what_a_kubelet_cut_off_is_not_taken_for_not_there(logs: Callable[..., Logs], cluster: ClusterApi) -> None:
    web = pod(cluster)
    probe = logs()
    mark = probe.mark()
    web.write("something")
    assert not probe.contains("lockout", since=mark).found
    del web.containers["web"][0].lines[0]
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("lockout", since=mark)
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("lockout", since=datetime.now(UTC) - timedelta(hours=1))
    assert probe.contains("something", since=mark).found


def test_what_a_kubelet_says_in_a_logs_place_is_no_log(logs: Callable[..., Logs], cluster: ClusterApi) -> None:
    """It answers 200, and kubectl ends well."""
    web = pod(cluster)
    web.containers["web"][0].unreadable = "unable to retrieve container logs for containerd://4711"
    probe = logs()
    for look in (
        lambda: probe.search(FOUND),
        probe.mark,
        lambda: probe.contains("x", since=datetime.now(UTC)),
        lambda: probe.tried(probe.target.logs[0]),
    ):
        with pytest.raises(Unobservable, match="unable to retrieve container logs"):
            look()


def test_long_lines_are_whole_though_old_kubelets_divide_them(logs: Callable[..., Logs], cluster: ClusterApi) -> None:
    web = pod(cluster)
    web.containers["web"][0].lines[0] = (1, b"started long ago\n")
    inner = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.123456789Z "
    web.write("x" * (16 << 10) + SECRET[:9] + inner + SECRET[9:])
    assert logs().search(FOUND).hit_count == 1


def test_pods_that_are_not_there_or_may_not_be_listed_are_said(
    logs: Callable[..., Logs], cluster: ClusterApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for choice, reason in ((SELECTED, "no pod with a container that was started"), ({"pod": "web-9"}, "not found")):
        with pytest.raises(Unobservable, match=reason):
            logs(choice).search(FOUND)
        with pytest.raises(Unobservable, match=reason):
            logs(choice).mark()
    pod(cluster)
    cluster.denied = True
    with pytest.raises(Unobservable, match="forbidden"):
        logs().contains("started")
    with pytest.raises(Unobservable, match="not the cluster that the target declares"):
        logs(cluster="http://127.0.0.1:1").search(FOUND)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(Unobservable, match="kubectl cannot be run"):
        logs().search(FOUND)
