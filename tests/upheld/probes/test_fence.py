"""Nothing is contacted that the target does not declare: each kind of probe, against listeners that record any contact."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from loopback import Page, Pki, endpoint, raw, server_context, web
from upheld.errors import OutOfScope, Refused, Unobservable
from upheld.probes import database_place, fence
from upheld.probes.backups import Backups
from upheld.probes.base import Session
from upheld.probes.chromium import PROGRAMS, Asked, Chromium, Given
from upheld.probes.database import Database
from upheld.probes.forge import Forge
from upheld.probes.host import Host
from upheld.probes.http import Http
from upheld.probes.internal import Internal
from upheld.probes.repositories import Repositories
from upheld.probes.scope import Scope
from upheld.probes.tls import Tls, TlsVersion
from upheld.probes.tools import run_tool
from upheld.target.model import Target
from watching import NameServer, Watch, watched

Sessions = Callable[..., Session]
HELLO: Page = (200, {"Content-Type": "text/plain"}, b"hello")


@pytest.fixture
def forbidden() -> Iterator[Watch]:
    """A place that no target declares; whoever contacts it fails the test."""
    with watched() as watch:
        yield watch
        # A packet that is under way arrives within this time.
        time.sleep(0.1)
        assert watch.contacts == []


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., NameServer]]:
    """Starts a name server that this process's look-ups go to."""
    started: list[NameServer] = []

    def start(**answers: Any) -> NameServer:
        server = NameServer({name.replace("_", "."): each for name, each in answers.items()})
        started.append(server)
        monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo(socket.getaddrinfo))
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def rebinding(names: Callable[..., NameServer], forbidden: Watch) -> NameServer:
    """A name that leads to the declared place when it is checked, and elsewhere ever after."""
    return names(db_rivet_example=[["127.0.0.1"], [forbidden.address]])


# --- names and addresses ------------------------------------------------------------------------------------------------


def test_a_name_that_changes_its_answer_stays_where_it_was_vetted(
    session_of: Sessions, rebinding: NameServer, tmp_path: Path
) -> None:
    with web({"/": HELLO}) as port, watched("127.0.0.2", port) as moved:
        session = session_of(endpoints=[{"name": "db", "url": f"http://db.rivet.example:{port}"}])
        for _ in range(3):
            assert session.probe(Http).get(f"http://db.rivet.example:{port}/").text == "hello"  # type: ignore[attr-defined]
            session.probe(Http).close()
        # Another process of the run asks the same scratch folder before it asks the resolver.
        first, second = (Scope(session.target, tmp_path) for _ in range(2))
        assert first.addresses("db.rivet.example", port) == second.addresses("db.rivet.example", port) == ("127.0.0.2",)
        assert moved.contacts == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["169.254.169.254"], "special purposes"),
        (["::ffff:169.254.169.254"], "special purposes"),
        (["64:ff9b::a9fe:a9fe"], "special purposes"),
        (["2002:a9fe:a9fe::1"], "special purposes"),
        (["fd00:ec2::254"], "special purposes"),
        (["0.0.0.0"], "special purposes"),
        (["224.0.0.1"], "special purposes"),
        (["93.184.215.14", "127.0.0.1"], "public and to private addresses"),
        (["93.184.215.14", "::ffff:10.0.0.1"], "public and to private addresses"),
    ],
)
def test_a_name_that_leads_to_what_cannot_be_meant_is_not_contacted(
    names: Callable[..., NameServer], session_of: Sessions, answer: list[str], words: str
) -> None:
    names(www_rivet_example=[answer])
    session = session_of(endpoints=[{"name": "www", "url": "http://www.rivet.example"}])
    with pytest.raises(OutOfScope, match=words):
        session.probe(Http).get("http://www.rivet.example/")  # type: ignore[attr-defined]


def test_networks_bound_where_names_may_lead(names: Callable[..., NameServer], session_of: Sessions) -> None:
    names(www_rivet_example=[["10.1.2.3"]])
    place = [{"name": "www", "url": "http://www.rivet.example"}]
    with pytest.raises(OutOfScope, match=r"10\.1\.2\.3, which is in none of the networks"):
        session_of(endpoints=place, networks=["192.0.2.0/24", "2001:db8::/32"]).scope.addresses("www.rivet.example", 80)
    assert session_of(endpoints=place, networks=["10.1.0.0/16"]).scope.addresses("www.rivet.example", 80)


def test_an_address_is_pinned_by_an_address_only() -> None:
    with pytest.raises(ValueError, match="an IP address, not a name"):
        Target.model_validate(
            {
                "name": "t",
                "environment": "staging",
                "endpoints": [{"name": "w", "url": "http://w", "address": "w.example"}],
            }
        )


def test_ipv6_is_held_to_the_scope_as_ipv4_is(session_of: Sessions, names: Callable[..., NameServer]) -> None:
    with watched("::1") as six, watched("127.0.0.1", six.port) as four:
        names(six_rivet_example=[["::1"], ["127.0.0.1"]])
        session = session_of(endpoints=[{"name": "six", "url": f"http://six.rivet.example:{six.port}"}])
        with pytest.raises(Unobservable, match="no HTTP answer"):
            session.probe(Http).get(f"http://six.rivet.example:{six.port}/")  # type: ignore[attr-defined]
        with pytest.raises(OutOfScope):
            session.probe(Http).get(f"http://[::1]:{six.port}/")  # type: ignore[attr-defined]
        time.sleep(0.1)
        assert len(six.contacts) == 1
        assert four.contacts == []


# --- HTTP ---------------------------------------------------------------------------------------------------------------


def test_other_spellings_and_redirects_lead_nowhere(session_of: Sessions, forbidden: Watch) -> None:
    number = int.from_bytes(socket.inet_aton(forbidden.address))
    spellings = [
        forbidden.place,
        f"{number}:{forbidden.port}",
        f"0x{number:x}:{forbidden.port}",
        f"127.2:{forbidden.port}",
        f"[::ffff:127.0.0.2]:{forbidden.port}",
        f"127。0。0。2:{forbidden.port}",
        f"www.rivet.example@{forbidden.place}",
        f"www.rivet.example%2e:{forbidden.port}",
        f"{forbidden.address}%00.rivet.example:{forbidden.port}",
        f"{forbidden.place}\\@www.rivet.example",
        f"{forbidden.place}#@www.rivet.example",
    ]

    def answer(_method: str, path: str, _headers: Any) -> Page:
        location = f"http://{spellings[int(path[1:])]}/" if path[1:].isdigit() else f"//{forbidden.place}/"
        return 302, {"Location": location}, b""

    with web(answer) as port:
        session = session_of(endpoints=[endpoint("www", port, scheme="http")])
        http = session.probe(Http)
        base = f"http://www.rivet.example:{port}"
        for number, spelling in enumerate(spellings):
            if spelling.isascii():
                assert len(http.follow_redirects(f"{base}/{number}")) == 1, spelling  # type: ignore[attr-defined]
            with pytest.raises(Unobservable):
                http.get(f"http://{spelling}/")  # type: ignore[attr-defined]
        assert len(http.follow_redirects(f"{base}/relative")) == 1  # type: ignore[attr-defined]


def test_a_forge_that_goes_on_elsewhere_is_not_followed(
    session_of: Sessions, forbidden: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{forbidden.place}")
    more = {"Content-Type": "application/json", "Link": f'<http://{forbidden.place}/next>; rel="next"'}
    with web(lambda *_: (200, more, b"[]")) as port:
        session = session_of(
            secret_values={"FORGE": "a-token-of-the-forge"},
            forge={
                "url": f"http://forge.rivet.example:{port}",
                "address": "127.0.0.1",
                "owner": "o",
                "repository": "r",
                "token": "env:FORGE",
            },
            repository={"path": "."},
        )
        with pytest.raises(Unobservable, match="another address"):
            session.probe(Forge).changes_of("0" * 40)  # type: ignore[attr-defined]


# --- TLS ----------------------------------------------------------------------------------------------------------------


def test_the_tls_scan_and_internal_services_keep_to_vetted_addresses(
    session_of: Sessions, rebinding: NameServer, tmp_path: Path
) -> None:
    pki = Pki(tmp_path)
    with web({"/": HELLO}, server_context(pki.issue("db.rivet.example"))) as port, watched("127.0.0.2", port) as moved:
        session = session_of(
            ca="ca.pem",
            endpoints=[{"name": "db", "url": f"https://db.rivet.example:{port}"}],
            internal={
                "ca": "ca.pem",
                "services": [
                    {
                        "name": "db",
                        "host": "db.rivet.example",
                        "port": port,
                        "client": {"name": "c", "certificate": "none.pem", "key": "env:NONE"},
                    }
                ],
            },
        )
        tls, internal = session.probe(Tls), session.probe(Internal)
        assert tls.handshake(tls.endpoints()[0], TlsVersion.TLS_1_3).completed  # type: ignore[attr-defined]
        assert tls.offered(TlsVersion.TLS_1_3)  # type: ignore[attr-defined]
        service = session.target.internal.services[0]  # type: ignore[union-attr]
        with internal._connected(service) as connection:  # type: ignore[attr-defined]
            assert connection.getpeername()[0] == "127.0.0.1"
        assert moved.contacts == []
        assert len(rebinding.questions) == 2  # one for each family, once


# --- databases ----------------------------------------------------------------------------------------------------------


def test_postgresql_is_connected_to_at_its_vetted_address_whatever_the_environment_says(
    session_of: Sessions,
    names: Callable[..., NameServer],
    forbidden: Watch,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    names(**{f"{name}_rivet_example": [["127.0.0.1"], [forbidden.address]] for name in "ab"})
    (tmp_path / "services").write_text(f"[elsewhere]\nhost={forbidden.address}\nport={forbidden.port}\n")
    for name, value in {
        "PGHOST": forbidden.address,
        "PGHOSTADDR": forbidden.address,
        "PGPORT": str(forbidden.port),
        "PGSERVICE": "elsewhere",
        "PGSERVICEFILE": str(tmp_path / "services"),
    }.items():
        monkeypatch.setenv(name, value)
    with watched("127.0.0.1") as declared:
        for url, contacts in (
            (f"postgresql://a:secret@a.rivet.example:{declared.port}/x", 1),
            (f"postgresql://a:secret@/x?host=b.rivet.example:{declared.port}", 2),
            (f"postgresql://a:secret@/x?host={tmp_path}", 2),
            ("postgresql://a:secret@/x", 2),
            ("postgresql://a:secret@/x?service=elsewhere", 2),
        ):
            session = session_of(secret_values={"DB": url}, database={"url": "env:DB"}, timeout_seconds=3)
            with pytest.raises(Unobservable), session.probe(Database).reading():  # type: ignore[attr-defined]
                pass
            time.sleep(0.15)
            assert len(declared.contacts) == contacts, url


def test_other_databases_get_addresses_or_are_held_by_the_fence(rebinding: NameServer) -> None:
    assert rebinding
    target = Target.model_validate({"name": "t", "environment": "staging"})
    for url, host in (
        ("mysql+mysqldb://u:p@db.rivet.example/x", "127.0.0.1"),
        ("mssql+pyodbc://u:p@db.rivet.example/x", "127.0.0.1"),
        ("mysql+pymysql://u:p@db.rivet.example/x", "db.rivet.example"),
        ("sqlite:////tmp/x.db", None),
    ):
        scope = Scope(target)
        scope._resolved["db.rivet.example"] = ("127.0.0.1",)
        found, _ = database_place.pinned(make_url(url), lambda host, port, scope=scope: scope.reach("db", host, port))
        assert found.host == host
        assert database_place.in_python(make_url(url)) == ("pymysql" in url)
    for url in ("mysql+pymysql://u@/x?read_default_file=/tmp/x", "mssql+pyodbc:///?odbc_connect=SERVER%3Dx"):
        with pytest.raises(Unobservable, match="takes its place from"):
            database_place.places(make_url(url))


def test_a_database_driver_in_python_cannot_leave_the_fence(
    session_of: Sessions, rebinding: NameServer, forbidden: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What connects in place of pymysql looks its name up again, as pymysql does, and then tries another place."""
    tried: list[str] = []

    def connect(**given: Any) -> Any:
        for place in ((given["host"], given["port"]), (forbidden.address, forbidden.port)):
            try:
                with socket.create_connection(place, timeout=2) as made:
                    tried.append(made.getpeername()[0])
            except OSError as error:
                tried.append(type(error).__name__)
        raise OSError("connection refused")

    module = types.ModuleType("pymysql")
    said = {"paramstyle": "format", "Error": OSError, "connect": connect, "__version__": "1.1.0"}
    module.__dict__.update(
        {**said, **dict.fromkeys(("OperationalError", "InternalError", "InterfaceError", "ProgrammingError"), OSError)}
    )
    monkeypatch.setitem(sys.modules, "pymysql", module)
    with watched("127.0.0.1") as declared:
        url = f"mysql+pymysql://u:pass@db.rivet.example:{declared.port}/x"
        session = session_of(secret_values={"DB": url}, database={"url": "env:DB"})
        with pytest.raises(Unobservable), session.probe(Database).reading():  # type: ignore[attr-defined]
            pass
    assert tried == ["127.0.0.1", "Fenced"]
    assert rebinding


def test_a_restored_database_is_one_of_this_machine(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from upheld.probes.backup_restore import restored

    for url in (
        "postgresql://localhost/x?hostaddr=127.0.0.2",
        "postgresql://localhost,db.rivet.example/x",
        "postgresql:///x?host=/tmp&host=db.rivet.example",
        "postgresql:///x?service=elsewhere",
        "postgresql://localhost@db.rivet.example/x",
    ):
        command = (sys.executable, "-c", f"print({url!r}, flush=True); input()")
        with (
            pytest.raises(Unobservable, match=r"another machine|takes its place"),
            restored(command, {}, r"(postgresql://\S+)", 5, datetime.now(UTC), tmp_path),
        ):
            pass


# --- stores of backups ----------------------------------------------------------------------------------------------------


def test_a_store_that_redirects_or_moves_is_not_followed(
    session_of: Sessions, rebinding: NameServer, forbidden: Watch
) -> None:
    def answer(_method: str, path: str, _headers: Any) -> Page:
        if "op=OPEN" in path:
            return 307, {"Location": f"http://{forbidden.place}/data"}, b""
        kind = {"type": "FILE", "length": 9, "pathSuffix": "base.tar", "modificationTime": 1_790_000_000_000}
        said = {"FileStatuses": {"FileStatus": [kind]}} if "op=LISTSTATUS" in path else {"FileStatus": kind}
        return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()

    with web(answer) as port, watched("127.0.0.2", port) as moved:
        session = session_of(
            backups={
                "store": f"webhdfs://db.rivet.example:{port}/backups",
                "base": ["*.tar"],
                "keys": {"k": "env:KEY"},
            },
            secret_values={"KEY": "k" * 32},
        )
        backups = session.probe(Backups)
        store = backups._store  # type: ignore[attr-defined]
        assert [one.name for one in store.objects()] == ["base.tar"]
        with pytest.raises(Refused, match=r"base\.tar cannot be read"):
            list(store.pieces("base.tar"))
        assert moved.contacts == []


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"store": "s3://bucket/x"}, r"does not say at which hosts .* \(backups.hosts\)"),
        ({"store": "simplecache::gs://bucket/x"}, "does not say at which hosts"),
        ({"store": "hdfs://db.rivet.example/x"}, "not known to keep to declared hosts"),
        ({"store": "simplecache::hdfs://db.rivet.example/x"}, "not known to keep to declared hosts"),
        ({"store": "webhdfs:///x"}, "names no host"),
    ],
)
def test_a_store_whose_hosts_are_not_known_is_not_opened(
    session_of: Sessions, described: dict[str, Any], words: str
) -> None:
    with pytest.raises(Unobservable, match=words):
        session_of(backups=described).probe(Backups)._store  # type: ignore[attr-defined]  # noqa: B018


def test_names_below_a_declared_domain_are_let_through_and_vetted(
    names: Callable[..., NameServer], session_of: Sessions
) -> None:
    server = names(
        bucket_s3_rivet_example=[["127.0.0.1"]],
        bad_s3_rivet_example=[["169.254.169.254"]],
        s3_rivet_example_evil_example=[["127.0.0.1"]],
    )
    session = session_of(backups={"store": "s3://bucket/x", "hosts": ["*.s3.rivet.example", "169.254.169.254:80"]})
    from upheld.probes.backup_places import admit

    assert admit(session.target.backups, {}, session.scope)  # type: ignore[arg-type]
    with session.scope.fence.up():
        assert socket.getaddrinfo("bucket.s3.rivet.example", 443)
        for name, port in (
            ("bad.s3.rivet.example", 443),
            ("s3.rivet.example.evil.example", 443),
            ("bucket.s3.rivet.example", 80),
        ):
            with pytest.raises(socket.gaierror, match="not declared"):
                socket.getaddrinfo(name, port)
    assert "s3.rivet.example.evil.example" not in server.questions
    assert session.scope.permits("169.254.169.254", 80)
    assert not session.scope.permits("169.254.169.254", 443)


# --- the host -------------------------------------------------------------------------------------------------------------


def test_ssh_goes_to_the_declared_host_whatever_its_configuration_says(
    session_of: Sessions, rebinding: NameServer, forbidden: Watch, tmp_path: Path
) -> None:
    marker = tmp_path / "proxied"
    (tmp_path / "config").write_text(
        f"Host *\n HostName {forbidden.address}\n Port {forbidden.port}\n ProxyCommand touch {marker}\n"
        f" ControlPath {tmp_path}/control\n"
    )
    if shutil.which("ssh") is None:
        pytest.skip("there is no ssh on PATH")
    with watched("127.0.0.1") as declared, watched("127.0.0.1") as bastion:
        at = f"ssh://x@db.rivet.example:{declared.port}?ssh_config={tmp_path / 'config'}"
        session = session_of(host={"connection": at, "services": ["x"]})
        with pytest.raises(Unobservable):
            session.probe(Host).processes()  # type: ignore[attr-defined]
        assert len(declared.contacts) == 1
        jump = f"y@127.0.0.1:{bastion.port}"
        session = session_of(host={"connection": at, "jump": jump, "services": ["x"]})
        with pytest.raises(Unobservable):
            session.probe(Host).processes()  # type: ignore[attr-defined]
        assert len(bastion.contacts) == 1
        assert len(declared.contacts) == 1
    assert not marker.exists()
    assert len(rebinding.questions) == 2


@pytest.mark.parametrize(("kind", "program"), [("docker", "docker"), ("podman", "podman"), ("lxc", "lxc")])
def test_engines_of_containers_are_those_of_this_machine(
    session_of: Sessions, monkeypatch: pytest.MonkeyPatch, forbidden: Watch, tmp_path: Path, kind: str, program: str
) -> None:
    """The engine's client is one of ours that writes down what it was given."""
    said = _recording_program(tmp_path, program, "USER COMMAND\nroot init\n")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"tcp://{forbidden.place}")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    session = session_of(host={"connection": f"{kind}://shop", "services": ["init"]})
    assert [one.command for one in session.probe(Host).processes().processes] == ["init"]  # type: ignore[attr-defined]
    environment = json.loads(said.read_text())["environment"]
    assert forbidden.place not in json.dumps(environment)
    assert environment.get("DOCKER_CONTEXT") == "default"
    if kind == "lxc":
        with pytest.raises(Unobservable, match="names a remote"):
            session_of(host={"connection": "lxc://other:shop", "services": ["x"]}).probe(Host).processes()  # type: ignore[attr-defined]


def test_kubectl_asks_the_declared_cluster_only(
    session_of: Sessions, monkeypatch: pytest.MonkeyPatch, rebinding: NameServer, forbidden: Watch, tmp_path: Path
) -> None:
    configured = {"clusters": [{"cluster": {"server": "https://db.rivet.example:6443"}}]}
    said = _recording_program(tmp_path, "kubectl", "USER COMMAND\nroot init\n", when=("config", json.dumps(configured)))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    host = {"connection": "kubectl://pod?context=live&namespace=shop", "services": ["init"]}
    with pytest.raises(Unobservable, match=r"host\.cluster"):
        session_of(host=host).probe(Host).processes()  # type: ignore[attr-defined]
    with pytest.raises(Unobservable, match="not the cluster that the target declares"):
        session_of(host={**host, "cluster": f"https://{forbidden.place}"}).probe(Host).processes()  # type: ignore[attr-defined]
    session = session_of(host={**host, "cluster": "https://db.rivet.example:6443"})
    assert session.probe(Host).processes().processes  # type: ignore[attr-defined]
    arguments = json.loads(said.read_text())["arguments"]
    assert arguments[:2] == ["--server=https://127.0.0.1:6443", "--tls-server-name=db.rivet.example"]
    assert arguments[-1].startswith("ps ")
    assert rebinding


def _recording_program(folder: Path, name: str, answer: str, when: tuple[str, str] = ("", "")) -> Path:
    said = folder / f"{name}.json"
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        f"if {when[0]!r} and {when[0]!r} in sys.argv:\n    print({when[1]!r}); raise SystemExit\n"
        f"open({str(said)!r}, 'w').write(json.dumps({{'arguments': sys.argv[1:], 'environment': dict(os.environ)}}))\n"
        f"print({answer!r}, end='')\n"
    )
    program.chmod(0o700)
    return said


# --- tools of others --------------------------------------------------------------------------------------------------


def test_a_tool_that_phones_home_reaches_nobody(
    tmp_path: Path, forbidden: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a socket, by a proxy of the environment, by a look-up and by a program in Python of its own."""
    for name in ("HTTPS_PROXY", "SEMGREP_URL", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, f"http://{forbidden.place}")
    monkeypatch.setenv("SEMGREP_APP_TOKEN", "a-token-of-somebody")
    tool = tmp_path / "tool"
    tool.write_text(
        f"#!{sys.executable}\n"
        + textwrap.dedent("""
        import json, os, socket, subprocess, sys, urllib.request
        place, allowed, report = sys.argv[1:]
        host, port = place.split(":")
        def tried(what):
            try:
                what(); return "reached"
            except BaseException as error:
                return type(error).__name__
        def udp():
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (host, int(port)))
        again = f"import socket; socket.create_connection(('{host}', {port}))"
        said = {
            "socket": tried(lambda: socket.create_connection((host, int(port)))),
            "udp": tried(udp),
            "url": tried(lambda: urllib.request.urlopen(f"http://{place}/")),
            "name": tried(lambda: socket.getaddrinfo("metrics.example", 443)),
            "child": subprocess.run([sys.executable, "-c", again], stderr=subprocess.DEVNULL).returncode,
            "allowed": tried(lambda: socket.create_connection(("127.0.0.1", int(allowed)))),
            "environment": [key for key, value in os.environ.items() if place in value or "TOKEN" in key],
        }
        open(report, "w").write(json.dumps(said))
        """)
    )
    tool.chmod(0o700)
    with watched("127.0.0.1") as allowed:
        report = tmp_path / "report.json"
        said = run_tool(
            [str(tool), forbidden.place, str(allowed.port), str(report)],
            folder=tmp_path,
            report=report,
            seconds=20,
            places=[("127.0.0.1", allowed.port)],
        )
    assert said == {
        "socket": "Fenced",
        "udp": "Fenced",
        "url": "URLError",
        "name": "gaierror",
        "child": 1,
        "allowed": "reached",
        "environment": [],
    }


def test_git_fetches_nothing_that_a_partial_clone_lacks(session_of: Sessions, forbidden: Watch, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path / "clone"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "clone").mkdir()
    git("init", "-q")
    (tmp_path / "clone" / "file").write_text("text")
    git("add", "file")
    git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "x")
    blob = git("rev-parse", "HEAD:file")
    (tmp_path / "clone" / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    git("config", "remote.origin.url", f"http://{forbidden.place}/x.git")
    git("config", "remote.origin.promisor", "true")
    git("config", "remote.origin.partialclonefilter", "blob:none")
    git("config", "core.repositoryformatversion", "1")
    git("config", "extensions.partialClone", "origin")
    session = session_of(
        secret_values={"DB": "sqlite://"},
        database={"url": "env:DB"},
        stores_searched={"repositories": [{"name": "r", "path": "clone"}]},
    )
    with pytest.raises(Unobservable):
        session.probe(Repositories).credentials_in("r")  # type: ignore[attr-defined]


# --- the browser ------------------------------------------------------------------------------------------------------


def test_a_page_reaches_nobody_by_any_means(tmp_path: Path, forbidden: Watch) -> None:
    """By requests, sockets, WebRTC, frames, workers, windows and hints of the page."""
    if not any(map(shutil.which, PROGRAMS)):
        pytest.skip("there is no browser on PATH")
    place = forbidden.place
    page = f"""<!doctype html><title>-</title>
    <link rel=preconnect href="http://{place}"><link rel=dns-prefetch href="//metrics.rivet.example">
    <link rel=prefetch href="http://{place}/prefetch"><link rel="shortcut icon" href="http://{place}/icon.ico">
    <img src="http://{place}/image"><iframe src="http://{place}/frame"></iframe>
    <a id=ping href="#x" ping="http://{place}/ping">x</a>
    <script type=speculationrules>{{"prefetch": [{{"urls": ["http://{place}/spec"]}}]}}</script>
    <script>
    fetch("http://{place}/fetch", {{mode: "no-cors"}}).catch(() => 0);
    navigator.sendBeacon("http://{place}/beacon", "x");
    try {{ new WebSocket("ws://{place}/socket"); }} catch (e) {{}}
    try {{ new EventSource("http://{place}/events"); }} catch (e) {{}}
    try {{ new WebTransport("https://{place}/transport").ready.catch(() => 0); }} catch (e) {{}}
    try {{
      const code = 'fetch("http://{place}/worker", {{mode: "no-cors"}}); new WebSocket("ws://{place}/ws")';
      new Worker(URL.createObjectURL(new Blob([code])));
    }} catch (e) {{}}
    window.open("http://{place}/window");
    document.getElementById("ping").click();
    (async () => {{
      const peer = new RTCPeerConnection({{iceServers: [
        {{urls: "stun:{place}"}},
        {{urls: "turn:{place}?transport=udp", username: "x", credential: "y"}},
        {{urls: "turn:{place}?transport=tcp", username: "x", credential: "y"}}]}});
      peer.createDataChannel("x");
      await peer.setLocalDescription(await peer.createOffer());
    }})();
    </script>"""
    asked: list[str] = []

    def serve(one: Asked) -> Given | None:
        asked.append(one.url)
        if one.url != "http://www.rivet.example/":
            return None
        return Given(200, (("content-type", "text/html"),), page.encode())

    with Chromium(tmp_path, serve, seconds=10) as browser:
        found = browser.open(
            "http://www.rivet.example/",
            # Long enough for a browser to try everything: STUN is first sent within half a second.
            "new Promise((done) => setTimeout(() => done(typeof RTCPeerConnection), 1500))",
        )
        assert found in ({}, "function")
        time.sleep(1.5)
    assert any("/fetch" in url for url in asked)


# --- the fence itself -------------------------------------------------------------------------------------------------


def test_the_fence_holds_every_thread_while_it_is_up_and_none_afterwards(forbidden: Watch) -> None:
    with raw(lambda connection, _stop: connection.sendall(b"x")) as port:
        inner = fence.Fence(lambda host, number: (host, number) == ("127.0.0.1", port), lambda name, _: ("127.0.0.1",))
        outer = fence.Fence(lambda *_: False, lambda *_: None, processes=False)
        with inner.up(), socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for family, place in ((socket.AF_INET, ("localhost", port)), (socket.AF_INET, ("127.0.0.1", port))):
                with socket.socket(family) as made:
                    made.connect(place)
            socket.create_connection(("any.rivet.example", port), timeout=2).close()
            for act in (
                lambda: socket.create_connection((forbidden.address, forbidden.port)),
                lambda: tcp.connect_ex((forbidden.address, forbidden.port)),
                lambda: udp.sendto(b"x", (forbidden.address, forbidden.port)),
                lambda: socket.gethostbyname("elsewhere.rivet.example"),
                lambda: socket.gethostbyaddr("192.0.2.1"),
            ):
                with pytest.raises(fence.Fenced):
                    act()
        for begin in (
            lambda: subprocess.run(["true"], check=False),
            lambda: os.system("true"),
            lambda: os.posix_spawn("/bin/true", ["true"], {}),
        ):
            with outer.up(), pytest.raises(fence.Fenced, match="was not started"):
                begin()
        subprocess.run(["true"], check=False)
        with socket.create_connection(("127.0.0.1", port), timeout=2) as made:
            assert made.recv(1) == b"x"
