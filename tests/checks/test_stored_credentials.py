"""Credentials followed through a small real API into a real PostgreSQL: sealed or not, copied or not, rotated or not."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import os
import secrets
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes import credential_flows
from upheld.probes.base import Session, plain

from ..loopback import ROOT

CHECKS = Catalogue.load(ROOT / "checks")


def operation(name: str, *, body: bool = False, identified: bool = False) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": name, "responses": {"200": {"description": "done"}}}
    if body:
        described["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    if identified:
        described["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return described


OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/tokens": {"post": operation("createToken", body=True)},
        "/accounts": {"get": operation("listAccounts"), "post": operation("connect", body=True)},
        "/accounts/{id}/rotate": {"post": operation("rotate", body=True, identified=True)},
        "/send": {"post": operation("send", body=True)},
        "/hooks": {"post": operation("createHook", body=True)},
        "/hooks/{id}": {
            "get": operation("getHook", identified=True),
            "delete": operation("deleteHook", identified=True),
        },
    },
}


class Service:
    """An API that seals the tokens it is given and the secrets it makes; tests replace what it does by something worse."""

    def __init__(self, postgres: Any, folder: Path) -> None:
        self.folder = folder
        self.key = os.urandom(32)
        self.url = postgres.database(
            "CREATE SCHEMA vault; CREATE TABLE vault.tokens (id uuid PRIMARY KEY, sealed bytea, received timestamptz, tenant text);"
            "CREATE TABLE vault.hooks (id uuid PRIMARY KEY, sealed bytea);"
            "CREATE TABLE accounts (id uuid, at timestamptz DEFAULT now()); CREATE TABLE notes (note text)"
        )
        (folder / "app.log").write_text("started\n")
        (folder / "upstream.log").write_text("started\n")
        (folder / "vault.key").write_bytes(self.key)
        (folder / "files").mkdir()
        self.password = secrets.token_urlsafe(12)
        self.latest: uuid.UUID | None = None
        self.hooks: dict[str, str] = {}
        # What tests make worse.
        self.seal: Callable[[str, uuid.UUID, bytes], bytes] = self.sealed
        self.parking: Callable[[Any, str], None] = lambda _db, _token: None
        self.reveals = self.keeps_old = self.uses_old = False
        self.refuses_rotation = self.falls_silent = self.rotated = False
        self.advises = True
        self.refused = 0
        self.remembered: dict[uuid.UUID, str] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, reply = service.answer(self.command, self.path, json.loads(raw) if raw else {})
                data = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                """Nothing is logged here."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def sealed(self, table: str, row: uuid.UUID, text: bytes, key: bytes | None = None) -> bytes:
        nonce = os.urandom(12)
        return b"\x01key-0001" + nonce + AESGCM(key or self.key).encrypt(nonce, text, f"vault.{table}:{row}".encode())

    def keep(self, account: uuid.UUID, code: str) -> None:
        token = f"TOK{code}{hashlib.sha256(code.encode()).hexdigest()[:8]}"
        with psycopg.connect(self.url) as db:
            self.parking(db, token)
            if account not in self.remembered or not self.keeps_old:
                db.execute(
                    "INSERT INTO vault.tokens VALUES (%s, %s, now(), '1') ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
                    (account, self.seal("tokens", account, token.encode())),
                )
            if not (self.uses_old and account in self.remembered):
                self.remembered[account] = token
        self.latest = account

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:  # noqa: PLR0911 - one for each operation
        parts = path.strip("/").split("/")
        if path == "/openapi.json":
            return 200, OPENAPI
        if path == "/tokens":
            return (200, {"access_token": "tok." + "x" * 24}) if body.get("password") == self.password else (401, {})
        if self.refused and method == "POST":
            return self.refused, {"error": "no"}
        if path == "/accounts" and method == "POST":
            if body["code"].startswith("bad"):
                return 422, {"error": "no"}
            account = uuid.uuid4()
            with psycopg.connect(self.url) as db:
                db.execute("INSERT INTO accounts (id) VALUES (%s)", (account,))
            self.keep(account, body["code"])
            return 201, {"id": str(account)}
        if path == "/accounts":
            with psycopg.connect(self.url) as db:
                rows = db.execute("SELECT id, received < now() - interval '90 days' FROM vault.tokens").fetchall()
            return 200, [{"id": str(row), "old": bool(old) and self.advises} for row, old in rows]
        if parts[-1] == "rotate" and self.refuses_rotation:
            return 409, {"error": "no"}
        if parts[-1] == "rotate":
            self.rotated = True
            self.keep(uuid.UUID(parts[1]), body["code"])
            return 200, {"id": parts[1]}
        if path == "/send" and self.latest:
            digest = hashlib.sha256(self.remembered[self.latest].encode()).hexdigest()
            with (self.folder / "upstream.log").open("a") as log:
                silent = self.falls_silent and self.rotated
                log.write("" if silent else f"POST /messages token-sha256={digest[:16]}\n")
            return 201, {}
        if path == "/hooks":
            hook, secret = uuid.uuid4(), f"whsec_{secrets.token_urlsafe(24)}"
            with psycopg.connect(self.url) as db:
                db.execute("INSERT INTO vault.hooks VALUES (%s, %s)", (hook, self.seal("hooks", hook, secret.encode())))
            self.hooks[str(hook)] = secret
            return 201, {"id": str(hook), "secret": secret}
        if parts[0] == "hooks" and method == "DELETE":
            return 200, {}
        if parts[0] == "hooks":
            return 200, {"id": parts[1], **({"secret": self.hooks[parts[1]]} if self.reveals else {})}
        return 404, {}

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def description(service: Service, wal: str) -> dict[str, Any]:
    columns = [
        {"table": f"vault.{table}", "column": "sealed", "what": table, "associated_data": f"vault.{table}:{{id}}"}
        for table in ("tokens", "hooks")
    ]
    identified = {"parameters": {"id": "{id}"}}
    return {
        "endpoints": [{"name": "api", "url": f"http://127.0.0.1:{service.server.server_port}"}],
        "api": {
            "endpoint": "api",
            "openapi": "/openapi.json",
            "logins": {"form": {"path": "/tokens", "json": {"user": "anna", "password": "{password}"}}},
        },
        "tenants": [{"name": "one", "id": "1"}],
        "identities": [
            {"name": "anna", "tenant": "one", "role": "owner", "login": "form", "secrets": {"password": "env:PASSWORD"}}
        ],
        "database": {"url": "env:DATABASE", "dump_url": "env:DATABASE"},
        "encryption": {
            "columns": columns,
            "header_bytes": 9,
            "key_id_offset": 1,
            "key_id_bytes": 8,
            "keys": {"key-0001": "file:vault.key"},
        },
        "logs": [
            {"name": "app", "path": "app.log"},
            {"name": "upstream", "path": "upstream.log", "foreign": True},
        ],
        "canary_flows": [
            {
                "name": "refused",
                "path": "validation error",
                "identity": "anna",
                "operation": "connect",
                "json": {"code": "bad{canary}"},
                "statuses": [422],
            }
        ],
        "credential_flows": [
            {
                "name": "token",
                "enter": {"operation": "connect", "identity": "anna", "json": {"code": "{canary}"}},
                "sealed_in": "vault.tokens.sealed",
                "reads": [{"operation": "listAccounts"}],
                "rotate": {"operation": "rotate", "json": {"code": "{canary}"}, **identified},
                "use": {
                    "call": {"operation": "send", "json": {}},
                    "log": "upstream",
                    "mark": "token-sha256={sha256:16}",
                },
            },
            {
                "name": "hook secret",
                "enter": {"operation": "createHook", "identity": "anna", "json": {}},
                "sealed_in": "vault.hooks.sealed",
                "shown": "/secret",
                "reads": [{"operation": "getHook", **identified}],
                "remove": {"operation": "deleteHook", **identified},
            },
        ],
        "age_advice": [
            {
                "name": "token",
                "table": "vault.tokens",
                "received": "received",
                "belongs_to": "id",
                "tenant_column": "tenant",
                "places": [{"operation": "listAccounts", "identities": ["anna"], "id": "/id", "flag": "/old"}],
            }
        ],
        "stores_searched": {"write_ahead_log": wal, "files": [{"name": "files", "path": "files/*"}]},
    }


@pytest.fixture
def service(postgres: Any, tmp_path: Path) -> Iterator[Service]:
    one = Service(postgres, tmp_path)
    yield one
    one.stop()


@pytest.fixture
def run(service: Service, session_of: Callable[..., Session]) -> Callable[..., list[Any]]:
    with psycopg.connect(service.url) as db:
        wal = str(Path(str(db.execute("SHOW data_directory").fetchall()[0][0]), "pg_wal"))

    def go(name: str, changed: dict[str, Any] | None = None, **parameters: Any) -> list[Any]:
        parts = {**description(service, wal), **(changed or {})}
        session = session_of(**parts, secret_values={"PASSWORD": service.password, "DATABASE": service.url})
        one = CHECKS[f"credentials.{name}"]
        with session.recording("t") as recorder:
            found = list(one.function(*(session.probe(kind) for kind in one.probes.values()), **parameters))
        kept = json.dumps(plain(tuple(recorder.observations)))
        assert not [secret for secret in (*service.hooks.values(), *service.remembered.values()) if secret in kept]
        session.close()
        return found

    return go


def failing(found: list[Any]) -> str:
    return " | ".join(f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed)


def unseen(found: list[Any]) -> str:
    return " | ".join(f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved))


def in_table(form: Callable[[str], str]) -> Callable[[Any, str], None]:
    return lambda db, token: db.execute("INSERT INTO notes VALUES (%s)", (form(token),))


def meanwhile(db: Any, token: str) -> None:
    db.execute("INSERT INTO notes VALUES (%s)", (token,))
    db.execute("DELETE FROM notes")


def never_committed(db: Any, token: str) -> None:
    with psycopg.connect(db.info.dsn, password=db.info.password) as other:
        other.execute("INSERT INTO notes VALUES (%s)", (token,))
        other.rollback()


ALL = (
    "end_sealed",
    "are_shown_only_once",
    "leave_no_plain_copy",
    "are_never_plain_meanwhile",
)


@pytest.mark.parametrize("name", ALL)
def test_credentials_that_are_kept_well_pass(run: Callable[..., list[Any]], name: str) -> None:
    found = run(name)
    assert any(isinstance(one, Finding) for one in found)
    assert not failing(found)
    assert not unseen(found)


def test_a_rotation_that_is_real_passes(run: Callable[..., list[Any]]) -> None:
    found = run("rotation_replaces_the_credential", kinds=("token",))
    assert [one.passed for one in found] == [True, True, True], found


def test_advice_to_owners_of_old_ones_passes(run: Callable[..., list[Any]], service: Service) -> None:
    age(service, 200)
    found = run("owners_are_advised_to_rotate", advised_days=90)
    assert [one.passed for one in found if isinstance(one, Finding)] == [True], found


def age(service: Service, days: int) -> None:
    with psycopg.connect(service.url) as db:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
        db.execute("INSERT INTO vault.tokens VALUES (%s, 'x', %s, '1')", (uuid.uuid4(), at))


@pytest.mark.parametrize(
    ("seal", "words"),
    [
        (lambda table, row, text: text, "readable (plain text)"),
        (lambda table, row, text: b64encode(text), "readable (base64 text)"),
        (lambda table, row, text: json.dumps({"t": text.decode()}).encode(), "readable (JSON)"),
        (lambda table, row, text: text + b"\xff", "readable (in part)"),
        (lambda table, row, text: b"", "holds it, sealed or plain"),
        (lambda table, row, text: os.urandom(60), "holds it, sealed or plain"),
    ],
    ids=["plain", "base64", "JSON", "in part", "nothing", "another key"],
)
def test_credentials_that_end_otherwise_fail(
    run: Callable[..., list[Any]], service: Service, seal: Any, words: str
) -> None:
    service.seal = seal
    assert words in failing(run("end_sealed"))


def test_a_shorter_key_fails(run: Callable[..., list[Any]], service: Service) -> None:
    service.key = os.urandom(16)
    (service.folder / "vault.key").write_bytes(service.key)
    assert "its key has 128 bits" in failing(run("end_sealed"))


def test_blocks_that_nothing_authenticates_fail(run: Callable[..., list[Any]], service: Service) -> None:
    def seal(_table: str, _row: uuid.UUID, text: bytes) -> bytes:
        encryptor = Cipher(algorithms.AES(service.key), modes.ECB()).encryptor()
        pad = 16 - len(text) % 16
        return b"\x01key-0001" + encryptor.update(text + bytes([pad]) * pad) + encryptor.finalize()

    service.seal = seal
    assert "encrypted without authentication (AES-ECB)" in failing(run("end_sealed", kinds=("token",)))


def test_a_secret_that_is_shown_again_fails(run: Callable[..., list[Any]], service: Service) -> None:
    service.reveals = True
    assert failing(run("are_shown_only_once")) == "hook secret in getHook: the answer (200) holds it: plain"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (str, "table public.notes (plain"),
        (lambda token: b64encode(token.encode()).decode(), "(base64"),
        (lambda token: token.encode().hex(), "(hexadecimal"),
        (lambda token: json.dumps({"job": {"token": token}}), "table public.notes (plain"),
        (lambda token: "\n".join(token[i : i + 12] for i in range(0, len(token), 12)), "table public.notes (split"),
    ],
    ids=["plain", "base64", "hex", "JSON", "wrapped"],
)
def test_a_copy_that_stays_fails(run: Callable[..., list[Any]], service: Service, form: Any, words: str) -> None:
    service.parking = in_table(form)
    assert words in failing(run("leave_no_plain_copy"))
    assert "write-ahead log" in failing(run("are_never_plain_meanwhile", kinds=("token",)))


@pytest.mark.parametrize("parking", [meanwhile, never_committed])
def test_a_copy_that_is_there_only_meanwhile_fails_by_the_write_ahead_log(
    run: Callable[..., list[Any]], service: Service, parking: Any
) -> None:
    service.parking = parking
    assert not failing(run("leave_no_plain_copy"))
    assert failing(run("are_never_plain_meanwhile")).startswith("write-ahead log: token in write-ahead log (plain")


def test_copies_in_logs_and_packed_files_fail_but_not_in_somebody_elses_log(
    run: Callable[..., list[Any]], service: Service
) -> None:
    def write(_db: Any, token: str) -> None:
        (service.folder / "files" / "old.gz").write_bytes(gzip.compress(token.encode()))
        with (service.folder / "upstream.log").open("a") as log:
            log.write(f"{token}\n")

    service.parking = write
    found = failing(run("leave_no_plain_copy"))
    assert found.startswith("files: files: token in old.gz (plain")
    service.parking = lambda _db, token: (service.folder / "app.log").write_text(f"got {token}\n") and None
    assert "logs: token in app.log, line 1 (plain)" in failing(run("are_never_plain_meanwhile"))


def test_a_value_that_crosses_a_page_of_the_log_is_found(run: Callable[..., list[Any]], service: Service) -> None:
    # A hundred copies of a row, each of which may be torn by a page's header, are all found or the test says how many.
    def park(db: Any, token: str) -> None:
        db.execute("INSERT INTO notes SELECT %s || repeat('.', 100) FROM generate_series(1, 400)", (token,))
        db.execute("DELETE FROM notes")

    service.parking = park
    found = failing(run("are_never_plain_meanwhile", kinds=("token",)))
    assert "(plain, 100 times)" in found or "times)" in found


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ("keeps_old", "the old one is still in vault.tokens.sealed; the new one is not in vault.tokens.sealed"),
        ("uses_old", "a call after the rotation was made with the old one"),
        ("refuses_rotation", "rotation of token: answered 409"),
    ],
)
def test_a_rotation_that_is_none_fails(run: Callable[..., list[Any]], service: Service, worse: str, words: str) -> None:
    setattr(service, worse, True)
    assert words in failing(run("rotation_replaces_the_credential", kinds=("token",)))


@pytest.mark.parametrize("both", [True, False])
def test_a_rotation_that_stores_both_or_neither_fails(
    run: Callable[..., list[Any]], service: Service, monkeypatch: pytest.MonkeyPatch, both: bool
) -> None:
    monkeypatch.setattr(credential_flows, "LOG_SECONDS", 0.2)

    def seal(table: str, row: uuid.UUID, text: bytes) -> bytes:
        old = service.remembered.get(row, "").encode()
        if old and not both:
            return os.urandom(60)
        return service.sealed(table, row, old + b" " + text if old else text)

    service.seal = seal
    found = failing(run("rotation_replaces_the_credential", kinds=("token",)))
    assert found.startswith(f"stored token: the {'old one is still' if both else 'new one is not'} in vault.tokens")


def test_a_call_after_the_rotation_of_which_no_log_tells_shows_no_use(
    run: Callable[..., list[Any]], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_flows, "LOG_SECONDS", 0.2)
    service.falls_silent = True
    found = run("rotation_replaces_the_credential", kinds=("token",))
    assert [isinstance(one, Finding) and one.passed for one in found] == [True, True, False], found
    assert unseen(found) == "use of token: the call after the rotation (201) shows no use of either"


def test_nobody_told_fails_and_nobody_old_is_not_seen(run: Callable[..., list[Any]], service: Service) -> None:
    service.advises = False
    assert "none of 0 is older" in unseen(run("owners_are_advised_to_rotate", advised_days=90))
    age(service, 90)
    assert "so nothing shows" in unseen(run("owners_are_advised_to_rotate", advised_days=90))
    age(service, 200)
    assert "no word of 1 of 1, the oldest 200 days old" in failing(run("owners_are_advised_to_rotate", advised_days=90))


@pytest.mark.parametrize("name", [*ALL, "rotation_replaces_the_credential"])
@pytest.mark.parametrize("status", [403, 500])
def test_a_flow_that_is_refused_shows_nothing(
    run: Callable[..., list[Any]], service: Service, name: str, status: int
) -> None:
    service.refused = status
    found = run(name)
    assert f"the flow answered {status}" in unseen(found)


def test_what_cannot_be_searched_is_not_seen(run: Callable[..., list[Any]], service: Service) -> None:
    database = {"database": {"url": "env:DATABASE"}}
    assert "no URL for the dumper's role" in unseen(run("leave_no_plain_copy", database))
    assert "no URL for the dumper's role" in unseen(run("are_never_plain_meanwhile", database))
    nowhere = {"stores_searched": {"write_ahead_log": "nowhere", "files": [{"name": "x", "path": "none/*"}]}}
    assert "cannot be read" in unseen(run("are_never_plain_meanwhile", nowhere))
    assert "there is no folder" in unseen(run("leave_no_plain_copy", nowhere))
    (service.folder / "empty").mkdir()
    empty = {"stores_searched": {"write_ahead_log": "empty"}}
    assert "0 of the harness's 2 marks" in unseen(run("are_never_plain_meanwhile", empty))


def test_a_table_that_the_role_may_not_read_whole_is_not_seen(
    run: Callable[..., list[Any]], service: Service, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run(
        service.url,
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY narrow ON notes USING (note = 'a')",
        "CREATE TABLE closed (x int)",
    )
    weak = postgres.role(
        service.url,
        "GRANT USAGE ON SCHEMA vault TO {role}",
        "GRANT SELECT ON notes, accounts, vault.tokens, vault.hooks TO {role}",
    )
    monkeypatch.setenv("WEAK", weak)
    found = unseen(run("leave_no_plain_copy", {"database": {"url": "env:DATABASE", "dump_url": "env:WEAK"}}))
    assert "table public.notes: query would be affected by row-level security policy" in found
    assert "table public.closed: permission denied" in found


def test_an_unknown_kind_is_said(run: Callable[..., list[Any]]) -> None:
    with pytest.raises(Unobservable, match="no kind of credential called cookie"):
        run("end_sealed", kinds=("cookie",))
