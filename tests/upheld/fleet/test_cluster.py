"""Which cluster: what is refused before anything is started, and who can reach the one that is started here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from loopback import Pki, free_port
from upheld import __version__
from upheld.errors import InputError
from upheld.fleet import cluster
from upheld.fleet.cluster import Choice, NoCluster, checked, connected


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    pki = Pki(tmp_path_factory.mktemp("pki"))
    return {"ca": pki.ca, "cert": (own := pki.issue("localhost")), "key": own}


@pytest.mark.parametrize(
    ("choice", "option", "words"),
    [
        (Choice(scheduler="tcp://10.0.0.7:8786"), "--scheduler", "without TLS"),
        (Choice(scheduler="tcp://scheduler.example:8786"), "--scheduler", "without TLS"),
        (Choice(scheduler="tcp://[2001:db8::7]:8786"), "--scheduler", "without TLS"),
        (Choice(scheduler="tcp://localhost.example:8786"), "--scheduler", "without TLS"),
        (Choice(scheduler="10.0.0.7:8786"), "--scheduler", "tls://HOST:PORT"),
        (Choice(scheduler="tls://host"), "--scheduler", "tls://HOST:PORT"),
        (Choice(scheduler="tls://host:0"), "--scheduler", "tls://HOST:PORT"),
        (Choice(scheduler="tls://host:99999"), "--scheduler", "tls://HOST:PORT"),
        (Choice(scheduler="tls://user@host:1"), "--scheduler", "tls://HOST:PORT"),
        (Choice(scheduler="ws://host:1"), "--scheduler", "tls://HOST:PORT"),
        (Choice(scheduler="tls://host:8786"), "--tls-ca", "is missing"),
        (Choice(scheduler="tls://host:8786"), "--tls-cert", "is missing"),
        (Choice(scheduler="tls://host:8786"), "--tls-key", "is missing"),
        (Choice(scheduler="tls://host:8786", without_tls=True), "--without-tls", "contradicts"),
        (Choice(scheduler="tcp://127.0.0.1:8786", key=Path("key.pem")), "--tls-key", "not used without TLS"),
        (Choice(scheduler="tcp://127.0.0.1:8786", workers=2), "--workers", "not both"),
        (Choice(workers=0), "--workers", "1 or more"),
        (Choice(cert=Path("cert.pem")), "--tls-cert", "--scheduler"),
        (Choice(without_tls=True), "--without-tls", "--scheduler"),
    ],
)
def test_a_wrong_choice_is_refused_with_what_would_be_right(choice, option, words):
    with pytest.raises(InputError) as wrong:
        checked(choice)
    assert any(one.file == option and words in str(one) for one in wrong.value.mistakes)


def test_files_that_make_no_tls_are_named(files, tmp_path):
    other = Pki(tmp_path).issue("localhost")
    (tmp_path / "empty").touch()
    where = "tls://127.0.0.1:8786"
    checked(Choice(scheduler=where, **files))
    for changed, option, words in (
        ({"ca": tmp_path / "none"}, "--tls-ca", "No such file"),
        ({"ca": tmp_path / "empty"}, "--tls-ca", "no such PEM"),
        ({"key": other}, "--tls-cert", "not of each other"),
        ({"cert": tmp_path / "none"}, "--tls-cert", "No such file"),
    ):
        with pytest.raises(InputError) as wrong:
            checked(Choice(scheduler=where, **{**files, **changed}))
        assert [one.file for one in wrong.value.mistakes] == [option]
        assert words in str(wrong.value)


@pytest.mark.parametrize(
    "where", ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tcp://127.8.8.8:1/"]
)
def test_this_machine_is_reached_without_tls(where):
    checked(Choice(scheduler=where))


def test_another_machine_is_reached_without_tls_where_somebody_says_so():
    checked(Choice(scheduler="tcp://10.0.0.7:8786", without_tls=True))


def test_a_scheduler_that_is_not_there_is_no_cluster(monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    where = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(NoCluster, match=where), connected(Choice(scheduler=where)):
        pass


def test_workers_of_this_machine_are_reached_by_nobody_else():
    with connected(Choice(workers=1)) as client:
        (worker,) = client.nthreads()
        assert cluster.versions(client, [worker], 10) == {worker: __version__}
        own = psutil.Process()
        processes = [own, *own.children(recursive=True)]
        addresses = {
            one.laddr.ip for process in processes for one in process.net_connections("inet") if one.status == "LISTEN"
        }
        assert addresses == {"127.0.0.1"}
        where = client.scheduler.address
        assert where.startswith("tls://")
        assert worker.startswith("tls://")
        for way in (where, where.replace("tls:", "tcp:")):
            with pytest.raises(Exception, match=r"."):  # Dask raises many kinds of errors for it.
                _strange_client(way)
        pid = client.run(os.getpid)[worker]
        os.kill(pid, signal.SIGINT)
        assert client.submit(os.getpid, pure=False).result(30) == pid, "Ctrl-C is for the controller"
    assert not psutil.pid_exists(pid)


def _strange_client(where: str) -> None:
    """A client with certificates of its own."""
    from distributed import Client
    from distributed.security import Security

    security = Security.temporary() if where.startswith("tls") else None
    with Client(where, security=security, timeout=3, set_as_default=False) as client:
        client.nthreads()


def test_workers_with_another_version_are_told(monkeypatch):
    found = {
        "tls://a:1": __version__,
        "tls://b:1": "0.0.1",
        "tls://c:1": "ModuleNotFoundError: No module named 'upheld'",
    }
    assert cluster.other(found) == [
        f"the worker tls://b:1 has upheld 0.0.1, this machine has upheld {__version__}",
        (
            "the worker tls://c:1 has no upheld that can be used (ModuleNotFoundError: No module named 'upheld'), "
            f"this machine has upheld {__version__}"
        ),
    ]
