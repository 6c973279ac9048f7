"""A small deployment full of secrets: an HTTP server, a SQLite database, a log, a folder, a tool; and checks that look at all of it.

Its probes return what they find as it is. What of it is a secret is for the redactor to know, as with any target.
"""

from __future__ import annotations

import base64
import contextlib
import html
import itertools
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from planted_secrets import STANDS_ALONE, Planted

PLACES = (
    "json", "html", "text", "header", "url", "log", "row", "cell", "name", "tool", "refusal", "error", "exit", "noise",
)  # fmt: skip
"""Where secrets stand; each is a file of texts, or what the server and the database make of one."""

CHECKS = '''
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.base import Probe, look
from upheld.probes.canaries import Canaries
from upheld.probes.http import Http


@dataclass(frozen=True, slots=True)
class Said:
    out: str
    error: str
    raw: bytes


class Leaky(Probe):
    """Looks at everything, and hides nothing itself."""

    name = "leaky"
    detached = True

    def texts(self, name: str) -> list[str]:
        return (self.session.target_folder / "planted" / name).read_text(encoding="utf-8").split("\\0")

    @look
    def lines(self, name: str) -> tuple[str, ...]:
        return tuple(self.texts(name))

    @look
    def rows(self) -> tuple[Mapping[str, object], ...]:
        with sqlite3.connect(self.session.target_folder / "planted" / "data.sqlite") as connection:
            connection.row_factory = sqlite3.Row
            return tuple(dict(row) for row in connection.execute("SELECT * FROM kept ORDER BY id"))

    @look
    def cells(self) -> tuple[tuple[object, ...], ...]:
        with sqlite3.connect(self.session.target_folder / "planted" / "data.sqlite") as connection:
            return tuple(connection.execute("SELECT id, body FROM blobs ORDER BY id"))

    @look
    def names(self) -> frozenset[Path]:
        return frozenset((self.session.target_folder / "planted" / "files").iterdir())

    @look
    def tool(self) -> Said:
        file = self.session.target_folder / "planted" / "tool"
        program = "import sys; t = open(sys.argv[1]).read(); print(t); print(t, file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, check=True)
        return Said(done.stdout.decode(), done.stderr.decode(), done.stdout)

    @look
    def refuses(self, number: int) -> str:
        raise Unobservable(f"refused with {self.texts('refusal')[number]}")

    @look
    def breaks(self) -> str:
        held = self.texts("error")
        try:
            raise KeyError(held[0])
        except KeyError as error:
            raise RuntimeError("it broke: " + "\\n".join(held)) from error

    @look
    def leaves(self) -> str:
        held = self.texts("exit")
        raise SystemExit("it left: " + "\\n".join(held))

    @look
    def is_noisy(self) -> int:
        held = self.texts("noise")
        log = logging.getLogger("a.library")
        for number, text in enumerate(held):
            print("printed", text)
            if number % 3 == 0:
                log.warning("sent %s", text)
            elif number % 3 == 1:
                warnings.warn(f"odd: {text}")
            else:
                try:
                    raise ValueError(text)
                except ValueError:
                    log.exception("caught")

        def dies() -> None:
            raise RuntimeError("in a thread: " + "\\n".join(held))

        thread = threading.Thread(target=dies)
        thread.start()
        thread.join()
        return len(held)

    @look
    def dies(self) -> str:
        held = self.texts("exit")
        if "LEAKY_DIES" in os.environ:
            os.abort()
        return str(len(held))

    @look
    def hangs(self) -> str:
        held = self.texts("text")
        if "LEAKY_HANGS" in os.environ:
            threading.Event().wait(60)
        return str(len(held))


def found(lines: list[str]) -> Iterator[Finding]:
    for number, line in enumerate(lines):
        yield Finding(f"{number}: {line}", passed=number % 5 == 0, expected="nothing", observed=f"got {line}")


@check(basis=OBSERVED)
def bodies_are_empty(http: Http, *, pages: int) -> Iterator[Finding]:
    """Every page is empty."""
    (endpoint,) = http.endpoints()
    for kind in ("json", "html", "text"):
        answer = http.get(f"{endpoint.url}/{kind}")
        yield from found(answer.text.split("\\n"))
    for number in range(pages):
        answer = http.get(f"{endpoint.url}/headers/{number}")
        yield from found([f"{name}: {value}" for name, value in answer.headers])
    for number in range(pages):
        for answer in http.follow_redirects(f"{endpoint.url}/go/{number}"):
            yield from found([answer.url, str(answer), *(f"{name}: {value}" for name, value in answer.headers)])


@check(basis=OBSERVED)
def stores_are_empty(leaky: Leaky) -> Iterator[Finding | LeftOut]:
    """Every store is empty."""
    yield from found(list(leaky.lines("log")))
    for row in leaky.rows():
        yield from found([repr(row), *(f"{name}={value}" for name, value in row.items())])
    yield from found([repr(row) for row in leaky.cells()])
    for path in sorted(leaky.names()):
        yield Finding(path, passed=False, expected="no file", observed=path.name)
        yield LeftOut(path, f"left out because of {path.name}")
    said = leaky.tool()
    yield from found([said.out, said.error, repr(said.raw)])


@check(basis=OBSERVED)
def known_ones_are_nowhere(leaky: Leaky, canaries: Canaries) -> Iterator[Finding]:
    """Nothing that we know stands anywhere."""
    yield from found(list(leaky.lines("known")))
    for number in range(20):
        canary = canaries.fresh(f"flow {number}")
        yield Finding(canary.placeholder, passed=True, expected="gone", observed=f"{canary.placeholder} is gone")


@check(basis=OBSERVED)
def is_answered(leaky: Leaky, *, number: int) -> Iterator[Finding | NotObserved]:
    """Every question is answered."""
    for place in range(number):
        try:
            leaky.refuses(place)
        except Unobservable as unobservable:
            yield NotObserved(f"question {place}: {unobservable.reason}", unobservable.reason)
    leaky.refuses(number)


@check(basis=OBSERVED)
def is_whole(leaky: Leaky) -> Iterator[Finding]:
    """Nothing breaks."""
    yield Finding("it", passed=True, expected="whole", observed=leaky.breaks())


@check(basis=OBSERVED)
def is_there(leaky: Leaky) -> Iterator[Finding]:
    """Nobody leaves."""
    yield Finding("it", passed=True, expected="there", observed=leaky.leaves())


@check(basis=OBSERVED)
def is_quiet(leaky: Leaky) -> Iterator[Finding]:
    """Nothing is said."""
    yield Finding("it", passed=False, expected="quiet", observed=f"{leaky.is_noisy()} noises")


@check(basis=OBSERVED)
def is_alive(leaky: Leaky) -> Iterator[Finding]:
    """Nobody dies."""
    yield Finding("it", passed=True, expected="alive", observed=leaky.dies())


@check(basis=OBSERVED)
def comes_to_an_end(leaky: Leaky) -> Iterator[Finding]:
    """It ends."""
    yield Finding("it", passed=True, expected="ends", observed=leaky.hangs())
'''

_HEADERS = 40


def placed(secrets: Sequence[Planted]) -> dict[str, list[Planted]]:
    """Where each secret stands: those of each kind in all places in turn, but for what no file can be called."""
    found: dict[str, list[Planted]] = {place: [] for place in PLACES}
    count: dict[str, int] = {}
    for number, one in enumerate(secrets):
        turn = count[one.kind] = count.get(one.kind, number) + 1
        place = PLACES[turn % len(PLACES)]
        if place == "name" and (len(_name(one)) > 200 or "\n" in one.text):
            place = "log"
        if place == "cell" and one.kind not in STANDS_ALONE:
            place = "row"
        found[place].append(one)
    return found


def _name(one: Planted) -> str:
    """What a file is called in whose name the secret stands."""
    return one.text if "/" not in one.text else quote(one.text, safe="")


def project(folder: Path, secrets: Sequence[Planted], known: Mapping[str, str], port: int) -> dict[str, list[Planted]]:
    """A policy, checks, a target and its data in that folder; `known` are the secrets of identities, by their variables."""
    where = placed(secrets)
    data = folder / "planted"
    (data / "files").mkdir(parents=True)
    for place in ("text", "log", "tool", "refusal", "error", "exit", "noise"):
        (data / place).write_text("\0".join(one.text for one in where[place]), encoding="utf-8")
    (data / "known").write_text("\0".join(_spelled(known.values())), encoding="utf-8")
    for one in where["name"]:
        (data / "files" / _name(one)).touch()
    with contextlib.closing(sqlite3.connect(data / "data.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE kept (id INTEGER, note TEXT, number INTEGER, password TEXT, api_key TEXT)")
        connection.execute("CREATE TABLE blobs (id INTEGER, body BLOB)")
        for number, one in enumerate(where["row"]):
            digits = int(one.value) if one.value.isdigit() else number
            named = one.value if one.kind == "json-password" else None
            key = one.value if one.kind == "api-key-header" else None
            note = None if named or key or one.value.isdigit() else one.text
            connection.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", (number, note, digits, named, key))
        for number, one in enumerate(where["cell"]):
            connection.execute("INSERT INTO blobs VALUES (?, ?)", (number, one.text.encode()))
    (folder / "checks").mkdir()
    (folder / "checks" / "own.py").write_text(CHECKS, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    identities = ", ".join(
        f"{{name: member-{number}, tenant: acme, role: member, login: api, secrets: {{password: env:{name}}}}}"
        for number, name in enumerate(known)
    )
    (folder / "target.yaml").write_text(
        f"upheld: target/1\nname: leaky\nenvironment: staging\nendpoints: [{{name: www, url: 'http://127.0.0.1:{port}'}}]\n"
        "api: {endpoint: www, openapi: /openapi.json, logins: {api: {path: /login}}}\n"
        f"tenants: [{{name: acme, id: acme}}]\nidentities: [{identities}]\n",
        encoding="utf-8",
    )
    pages = -(-len(where["header"]) // _HEADERS)
    uses = (
        f"bodies_are_empty: {{pages: {max(pages, len(where['url']))}}}", "stores_are_empty", "known_ones_are_nowhere",
        f"is_answered: {{number: {len(where['refusal']) - 1}}}", "is_whole", "is_there", "is_quiet", "is_alive", "comes_to_an_end",
    )  # fmt: skip
    claims = [
        f'  - {{id: claim-{number}, statement: "Promise {number}.", section: S, severity: low, owner: platform, checks: [own.{use}]}}\n'
        for number, use in enumerate(uses)
    ]
    (folder / "policies.yaml").write_text(
        "upheld: policy/1\nname: leaky\nclaims:\n" + "".join(claims), encoding="utf-8"
    )
    return where


def _spelled(values: Iterable[str]) -> Iterator[str]:
    """Known secrets, each in one of the spellings in which software shows them."""
    spellings = itertools.cycle(
        (
            lambda value: f"it is {value} here",
            lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
            lambda value: quote(value, safe=""),
            lambda value: value.encode().hex(),
            lambda value: json.dumps({"said": json.dumps({"is": value})}),
            html.escape,
            repr,
            str.upper,
        )
    )
    for value, spelled in zip(values, spellings, strict=False):
        yield spelled(value)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Whatever is planted there."""
        kind, _, number = self.path.strip("/").partition("/")
        where = self.server.where
        if kind == "json":
            items = [
                {"n": n, "note": one.text, "nested": json.dumps([one.text])} for n, one in enumerate(where["json"])
            ]
            self._answer("application/json", json.dumps(items, indent=0))
        elif kind == "html":
            lines = [f"<li title='{html.escape(one.text)}'>{html.escape(one.text)}</li>" for one in where["html"]]
            self._answer("text/html", "\n".join(lines))
        elif kind == "text":
            self._answer("text/plain", "\n".join(one.text for one in where["text"]))
        elif kind == "headers":
            some = where["header"][int(number) * _HEADERS : (int(number) + 1) * _HEADERS]
            self._answer("text/plain", "x", [_header(one, place) for place, one in enumerate(some)])
        elif kind == "go" and int(number) < len(where["url"]):
            to = quote(where["url"][int(number)].text, safe="" if int(number) % 2 else "=&:/?@!*~,;+")
            self._answer("text/plain", "", [("Location", f"/end?back={to}")], 302)
        else:
            self._answer("text/plain", "the end")

    def _answer(self, media: str, body: str, headers: Iterable[tuple[str, str]] = (), status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body.encode())))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the server's own log is none of the outputs."""


def _header(one: Planted, place: int) -> tuple[str, str]:
    name, colon, value = one.text.partition(": ")
    if colon and name.replace("-", "").isalpha():
        return name, value
    return f"X-Debug-{place}", one.text.replace("\n", "\\n")


class Server(ThreadingHTTPServer):
    """The target's web server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.where: dict[str, list[Planted]] = {}


@contextlib.contextmanager
def served() -> Iterator[Server]:
    """A server, for the block; what it serves is put into it."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
