"""The check that clients enforce https in the code: real repositories, bandit as it is, and code in several languages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Session

from ..loopback import ROOT
from ..repositories import GitRepository, days

CHECK = Catalogue.load(ROOT / "checks")["code.clients_enforce_https"]
DESTINATION = {"purpose": "graph", "host": "graph.example.com"}
GOOD = '''"""Calls http://graph.example.com? No."""

import httpx

BASE = "https://graph.example.com/v1"  # not http://graph.example.com


def get(path):
    """As http://graph.example.com once did."""
    if path.startswith("http://"):
        raise ValueError
    return httpx.get(BASE + path)
'''


@pytest.fixture
def outcome(tmp_path: Path, session_of: Callable[..., Session]) -> Callable[..., str]:
    """`pass`, or what failed, or why nothing is known, in that order of strength."""
    repository = GitRepository(tmp_path / "repository")

    def run(
        files: dict[str, Any],
        *,
        code: tuple[str, ...] = ("app",),
        clients: tuple[str, ...] = (),
        destinations: tuple[dict[str, str], ...] = (DESTINATION,),
        **parameters: Any,
    ) -> str:
        repository.files.clear()
        repository.commit({path: text for path, text in files.items() if isinstance(text, str)}, at=days(2))
        repository.files.update({path: text for path, text in files.items() if isinstance(text, bytes)})
        repository.commit({}, at=days(1))
        outbound = {
            "record": "x.log",
            "destinations": list(destinations),
            "code": {"graph": clients} if clients else {},
        }
        session = session_of(repository={"path": "repository", "code": list(code)}, outbound=outbound)
        try:
            with session.recording("t"):
                probes = [session.probe(kind) for kind in CHECK.probes.values()]
                found = list(CHECK.run(probes, CHECK.arguments({"purpose": "graph", **parameters})[0]))
        except Unobservable as unobservable:
            return f"unseen: {unobservable.reason}"
        if failed := [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]:
            return "; ".join(failed)
        if unseen := [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]:
            return f"unseen: {'; '.join(unseen)}"
        assert len([one for one in found if isinstance(one, Finding)]) >= 2
        return "pass"

    return run


def test_code_that_enforces_https_passes_with_words_about_http_in_it(outcome: Callable[..., str]) -> None:
    assert outcome({"app/graph.py": GOOD}) == "pass"
    # What is not the platform's code, and documents, are not meant; nor are other hosts, in code that does not make the calls.
    others = {"tools/x.py": 'URL = "http://graph.example.com"\n', "app/README.md": "http://graph.example.com\n"}
    more = {"app/page.py": 'URL = "http://example.org/"\n\n\ndef link(host):\n    return f"http://{host}/"\n'}
    assert outcome({"app/graph.py": GOOD, **others, **more}, clients=("app/graph.py",)) == "pass"
    for url in ("http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:80/"):
        assert outcome({"app/graph.py": f'{GOOD}LOCAL = "{url}"\n'}) == "pass"
    # A token that is only read, and a call that verifies.
    token = "import jwt\n\n\ndef read(x, ca):\n    jwt.decode(x, verify=False)\n    httpx.get(x, verify=ca)\n"
    assert outcome({"app/graph.py": GOOD + token}) == "pass"
    comparing = "import ssl\n\n\ndef is_on(context):\n    return context.verify_mode != ssl.CERT_NONE\n"
    assert outcome({"app/graph.py": GOOD + comparing}) == "pass"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app/a.py", 'URL = "http://graph.example.com/v1"\n'),
        ("app/a.py", 'URL = "http://user:word@GRAPH.example.com.:80/v1"  # nosec\n'),
        ("app/a.py", 'HOST = "graph.example.com"\nURL = f"http://{HOST}/v1"\n'),
        ("app/a.py", 'HOST = "graph.example.com"\nURL = "http://" + HOST + "/v1"\n'),
        ("app/a.py", 'def url(path):\n    return "http://graph.example.com/%s" % path\n'),
        ("app/a.py", 'def url(path):\n    return "http://graph.example.com/{}".format(path)\n'),
        ("app/a.py", 'import http.client\nCALL = http.client.HTTPConnection("graph.example.com", 80)\n'),
        ("app/a.py", 'from urllib.parse import urlunsplit\nURL = urlunsplit(("http", "graph.example.com", "", "", ""))\n'),
        ("app/a.js", "const url = 'http://graph.example.com/v1';\n"),
        ("app/settings.yaml", "graph: http://graph.example.com\n"),
        ("app/.env.production", "GRAPH_URL=http://graph.example.com\n"),
        ("app/Dockerfile", "ENV GRAPH_URL=http://graph.example.com\n"),
        ("app/a.go", 'const graph = "http://graph.example.com/v1"\n'),
    ],
)  # fmt: skip
def test_an_http_url_of_a_declared_host_is_refuted(outcome: Callable[..., str], path: str, text: str) -> None:
    found = outcome({"app/graph.py": GOOD, path: text}, clients=("app/graph.py",))
    assert f" in {path}:" in found
    assert "is not https" in found


def test_hosts_come_from_the_target_and_from_the_policy(outcome: Callable[..., str]) -> None:
    files = {"app/a.py": 'URL = "http://eu.graph.example.net/v1"\n'}
    assert outcome(files) == "pass"
    assert "is not https" in outcome(files, hosts=["*.example.net"])
    assert "is not https" in outcome(files, hosts=["eu.graph.example.net"], destinations=())
    assert "names a host of graph calls" in outcome(files, destinations=())
    assert "names a host" in outcome(files, destinations=({"purpose": "mail", "host": "graph.example.com"},))


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("app/a.py", "import httpx\n\n\ndef get(u):\n    return httpx.get(u, verify=False)\n", "B501 in app/a.py:5"),
        (
            "app/a.py",
            "import httpx\nhttp = httpx.AsyncClient(verify=False)  # nosec\n",
            "verification-off in app/a.py:2",
        ),
        ("app/a.py", "def get(session, u):\n    return session.get(u, verify=False)\n", "verify=False"),
        ("app/a.py", "VERIFY = False\n\n\ndef get(s, u):\n    return s.get(u, verify=VERIFY)\n", "verify=VERIFY"),
        ("app/a.py", "def f(session):\n    session.verify = False\n", "session.verify = False"),
        ("app/a.py", "import ssl\nC = ssl._create_unverified_context()\n", "B323 in app/a.py:2"),
        ("app/a.py", "import ssl\nssl._create_default_https_context = ssl._create_unverified_context\n", "unverified"),
        ("app/a.py", "def f(context):\n    context.check_hostname = False\n", "check_hostname = False"),
        ("app/a.py", "import ssl\n\n\ndef f(c):\n    c.verify_mode = ssl.CERT_NONE\n", "CERT_NONE"),
        ("app/a.py", "import urllib3\nP = urllib3.PoolManager(cert_reqs='CERT_NONE')\n", "CERT_NONE"),
        ("app/a.py", "def f(s, u):\n    return s.get(u, ssl=False)\n", "ssl=False"),
        ("app/a.py", "import os\nos.environ |= {'x': 'NODE_TLS_REJECT_UNAUTHORIZED=0'}\n", "node-verification-off"),
        ("app/a.js", "const agent = new https.Agent({ rejectUnauthorized: false });\n", "reject-unauthorized-off"),
        ("app/a.ts", "process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';\n", "node-verification-off"),
        ("app/a.go", "cfg := &tls.Config{InsecureSkipVerify: true}\n", "insecure-skip-verify"),
        ("app/a.rb", "http.verify_mode = OpenSSL::SSL::VERIFY_NONE\n", "verify-none"),
        ("app/a.php", "curl_setopt($ch, CURLOPT_SSL_VERIFYPEER, false);\n", "curl-verify-off"),
        ("app/a.sh", "curl -sk https://graph.example.com/\n", "curl-insecure"),
        ("app/a.sh", "wget -q --no-check-certificate https://graph.example.com/\n", "wget-insecure"),
        ("app/Dockerfile", "RUN git config --global http.sslVerify false\n", "git-verification-off"),
        ("app/a.rs", "let c = Client::builder().danger_accept_invalid_certs(true);\n", "trusts-everything"),
    ],
)
def test_verification_that_is_off_is_refuted(outcome: Callable[..., str], path: str, text: str, words: str) -> None:
    assert words in outcome({"app/graph.py": GOOD, path: text})
    # Where the target says which code makes the calls, only that is meant.
    assert outcome({"app/graph.py": GOOD, path: text}, clients=("app/graph.py",)) == "pass"


@pytest.mark.parametrize(
    "line",
    [
        "# rejectUnauthorized: false would be wrong",
        "// NODE_TLS_REJECT_UNAUTHORIZED=0",
        " * curl --insecure",
        "const agent = new https.Agent({ rejectUnauthorized: true });",
        "curl --silent --key client.key https://graph.example.com/",
        "process.env.NODE_TLS_REJECT_UNAUTHORIZED = '1';",
    ],
)
def test_comments_and_what_verifies_are_no_finding(outcome: Callable[..., str], line: str) -> None:
    assert outcome({"app/graph.py": GOOD, "app/a.js": f"{line}\n"}) == "pass"


@pytest.mark.parametrize(
    "text",
    [
        'def url(host):\n    return f"http://{host}/v1"\n',
        'def url(host):\n    return "http://" + host\n',
        'def url(host):\n    return "http://%s/" % host\n',
        'def plain(url):\n    return url.replace("https://", "http://")\n',
        'def plain(url):\n    return url.copy_with(scheme="http")\n',
        "import http.client\n\n\ndef call(host):\n    return http.client.HTTPConnection(host)\n",
    ],
)
def test_a_plain_url_of_an_unknown_host_is_not_a_pass(outcome: Callable[..., str], text: str) -> None:
    assert "whose host it is cannot be told" in outcome({"app/graph.py": GOOD, "app/a.py": text})


def test_what_could_not_be_read_is_never_a_pass(outcome: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no file of a language" in outcome({"app/README.md": "x"})
    assert "no folder app" in outcome({"lib/a.py": GOOD})
    assert "no code is in app/calls" in outcome({"app/a.py": GOOD}, clients=("app/calls",))
    assert "unseen: app/b.py: it is no Python" in outcome({"app/a.py": GOOD, "app/b.py": "def (:\n"})
    assert "none of 1 files could be read" in outcome({"app/b.py": "def (:\n"})
    assert "no UTF-8 text" in outcome({"app/a.py": GOOD, "app/b.js": b"\xff\xfe\x00x"})
    assert "no file of it could be read" in outcome({"app/a.py": GOOD, "app/c.py": "def (:\n"}, clients=("app/c.py",))
    # One defect that was seen is one, whatever else was not.
    assert "is not https" in outcome({"app/a.py": 'U = "http://graph.example.com"\n', "app/b.py": "def (:\n"})
    # Where there is no Python, bandit has nothing to say.
    assert outcome({"app/a.js": "const base = 'https://graph.example.com';\n"}) == "pass"
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "bandit is not installed" in outcome({"app/a.py": GOOD})
