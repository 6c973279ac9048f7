"""Targets that show nothing, in each of the ways in which a target can: what a check says of them it has not seen.

Each is the reference deployment's own description, whole, over something else: its folder emptied, taken away or closed,
its database emptied, stopped or denied, and behind every address a server that gives one answer to everything. Where the
world is `known`, the server still gives the API's documents and lets everybody log in, so that checks get further.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from sqlalchemy.engine import URL, make_url

from loopback import Page, Pki, free_port, server_context, web
from upheld_reference import deployment, target_file

JSON = {"Content-Type": "application/json"}
EMPTIED = "emptied"
KEPT = {"secrets", "passwords", "staff-secrets", "internal", "internet", "forge.token", "ca.pem", "security-key.asc"}
"""What of the deployment's folder is the auditor's own (credentials, and where it may listen), so that no world lacks it."""
SHORT = {"job_within_seconds": 0.3, "delivery_seconds": 0.3, "archive_within_seconds": 0.3, "within_seconds": 2.0}


@dataclass(frozen=True)
class World:
    """One way of showing nothing: what answers over HTTP (None: nobody), and what became of the files and the database."""

    answer: Page | None
    files: str = "emptied"
    database: str = EMPTIED
    """`emptied`: every table is there and has no row. `void`: there is no table. `denied`: not even the catalogue can be read."""
    known: bool = False
    """Whether the documents of the APIs are given and logins succeed."""
    bare: bool = False
    """Whether the description names the target and nothing else."""


_ANSWERS: dict[str, Page] = {
    "empty": (404, {}, b""),
    "denies": (403, {}, b""),
    "empty-200": (200, {"Content-Type": "text/html"}, b""),
    "object-200": (200, JSON, b"{}"),
    "list-200": (200, JSON, b"[]"),
    "429": (429, {"Retry-After": "1"}, b""),
}
WORLDS: dict[str, World] = {
    "bare": World(None, bare=True),
    "dead": World(None, files="absent", database="down"),
    **{
        f"{name}{more}": World(
            answer,
            files="closed" if name == "denies" else "emptied",
            database={"denies": "denied", "empty": EMPTIED}.get(name, "void"),
            known=bool(more),
        )
        for more in ("", "-known")
        for name, answer in _ANSWERS.items()
    },
}


class Ground:
    """What all worlds are made from: a reference deployment's description, folder, API documents and database server."""

    def __init__(self, running: deployment.Deployment, folder: Path) -> None:
        """Takes what is needed from the deployment and shuts it out of its database, of which an emptied copy is made."""
        import psycopg

        self.folder = folder
        self.origin = running.folder
        self.facts = running.facts
        self.description = target_file.describe(running.facts)  # Writes files of its own, which the copy is to hold.
        # A copy of its own: the deployment goes on writing, so that a file may be gone when a world wants it.
        self.source = folder / "source"
        with contextlib.suppress(shutil.Error):  # What went away while it was copied.
            shutil.copytree(running.folder, self.source, ignore=shutil.ignore_patterns("postgres", "repository"))
        self.documents = {name: _document(self.description, name) for name in ("api", "staff")}
        self.pki = Pki(folder)
        self.superuser = (self.source / "secrets/database-superuser.url").read_text(encoding="utf-8").strip()
        with psycopg.connect(self._url("template1"), autocommit=True) as connection:
            connection.execute("ALTER DATABASE rivet ALLOW_CONNECTIONS false")
            connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'rivet'")
            connection.execute(f"CREATE DATABASE {EMPTIED} TEMPLATE rivet")
            connection.execute("CREATE DATABASE void")
            connection.execute("CREATE DATABASE denied TEMPLATE void")
            self.stranger = secrets.token_hex(12)
            connection.execute(f"CREATE ROLE stranger LOGIN PASSWORD '{self.stranger}'")
        with psycopg.connect(self._url(EMPTIED), autocommit=True) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {', '.join(name for (name,) in tables)} CASCADE")  # type: ignore[arg-type]
        with psycopg.connect(self._url("denied"), autocommit=True) as connection:
            for schema in ("pg_catalog", "information_schema"):
                connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC")

    def _url(self, database: str, url: str = "") -> str:
        """`url` (by default the superuser's) of a database, over the server's socket."""
        given = make_url(url or self.superuser)
        made = URL.create(
            given.drivername,
            given.username,
            given.password,
            database=database,
            query={"host": self.facts["postgres"]["socket_folder"]},
        )
        return made.render_as_string(hide_password=False)

    def secret(self, url: str, world: World) -> str:
        """The URL of the world's database for whom `url` names."""
        if world.database in {EMPTIED, "void"}:
            return self._url(world.database, url)
        if world.database == "denied":
            denied = make_url(url).set(username="stranger", password=self.stranger)
            return self._url("denied", denied.render_as_string(hide_password=False))
        down = make_url(url).set(host="127.0.0.1", port=free_port(), query={"connect_timeout": "2"})
        return down.render_as_string(hide_password=False)


def _document(description: Mapping[str, Any], endpoint: str) -> bytes:
    url = next(one["url"] for one in description["endpoints"] if one["name"] == endpoint)
    place = urlsplit(url)
    answer = httpx.get(
        f"https://127.0.0.1:{place.port}/openapi.json", headers={"Host": place.netloc}, verify=False, trust_env=False
    )
    assert answer.status_code == 200, endpoint
    return answer.content


@contextmanager
def ground() -> Iterator[Ground]:
    """The ground of all worlds, for as long as the block."""
    with tempfile.TemporaryDirectory(prefix="upheld-blind-") as folder, deployment.start() as running:
        yield Ground(running, Path(folder))


@contextmanager
def described(base: Ground, name: str) -> Iterator[Path]:
    """The target file of the world called `name`, which is there for as long as the block."""
    world = WORLDS[name]
    folder = base.folder / name
    folder.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if world.bare:
            description: dict[str, Any] = {"upheld": "target/1", "name": name, "environment": "reference"}
        else:
            _furnish(base, world, folder)
            names = {urlsplit(one["url"]).hostname or "" for one in base.description["endpoints"]}
            names |= {one["host"] for one in base.description["internal"]["services"]} | {"forge.rivet.example"}
            if world.answer is None:
                secure, plain = free_port(), free_port()
            else:
                answer = _answers(base, world.answer) if world.known else _always(world.answer)
                context = server_context(base.pki.issue(*sorted(names)))
                secure, plain = stack.enter_context(web(answer, context)), stack.enter_context(web(answer))
            description = _moved(base.description, base.origin, folder, secure, plain)
            _adapt(description, base, folder, secure)
        path = folder / "target.yaml"
        path.write_text(json.dumps(description), encoding="utf-8")
        yield path


def _always(page: Page) -> Callable[[str, str, Mapping[str, str]], Page]:
    return lambda _method, _path, _headers: page


def _answers(base: Ground, page: Page) -> Callable[[str, str, Mapping[str, str]], Page]:
    """Documents and logins as they should be, and `page` for all else."""
    staff = {
        operation["operationId"]: path
        for path, operations in json.loads(base.documents["staff"])["paths"].items()
        for operation in operations.values()
    }

    def answer(method: str, path: str, headers: Mapping[str, str]) -> Page:
        place = path.partition("?")[0]
        if method == "GET" and place == "/openapi.json":
            host = {name.lower(): value for name, value in headers.items()}.get("host", "")
            return 200, JSON, base.documents["staff" if host.startswith("staff.") else "api"]
        if method == "POST" and place == "/v1/tokens":
            given = {"access_token": _token(), "refresh_token": secrets.token_urlsafe(32), "expires_in": 900}
            return 200, JSON, json.dumps({**given, "token_type": "Bearer"}).encode()
        if method == "POST" and place == staff["startLogin"]:
            return 200, JSON, json.dumps({"challenge": secrets.token_urlsafe(32)}).encode()
        if method == "POST" and place == staff["finishLogin"]:
            return 200, JSON, json.dumps({"session": secrets.token_urlsafe(32), "expires_in": 900}).encode()
        return page

    return answer


def _token() -> str:
    """What looks like a signed token of the usual form that is good for a quarter of an hour."""
    now = int(time.time())
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": secrets.token_hex(8), "iat": now, "exp": now + 900})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*texts, secrets.token_urlsafe(32)])


def _furnish(base: Ground, world: World, folder: Path) -> None:
    """Put into `folder` what the world keeps of the deployment's folder."""
    for entry in base.source.iterdir():
        place = folder / entry.name
        if entry.name in KEPT:
            (shutil.copytree if entry.is_dir() else shutil.copy2)(entry, place)
        elif entry.name in {"postgres", "repository", "deployment.json", "target.yaml"}:
            continue
        elif world.files == "emptied":
            _empty(entry, place)
        elif world.files == "closed":
            _close(entry, place)
    for url in (folder / "secrets").glob("database-*.url"):
        url.write_text(base.secret(url.read_text(encoding="utf-8").strip(), world), encoding="utf-8")
    if world.files == "emptied":
        (folder / "postgres/data/pg_wal").mkdir(parents=True)
        (folder / "advisories").mkdir()
        git = ("git", "-C", str(folder / "repository"), "-c", "user.name=A", "-c", "user.email=a@example.com")
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder / "repository")], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], check=True)
    elif world.files == "closed":
        for name in ("postgres", "advisories", "repository"):
            (folder / name).write_bytes(b"")


def _empty(source: Path, place: Path) -> None:
    """The same tree with nothing in it: folders whose names others rely on stay, lists lose their entries, texts their lines."""
    if source.is_dir():
        place.mkdir()
        if source.name not in {"exports", "mail", "documents", "base", "wal"}:
            for entry in source.iterdir():
                _empty(entry, place / entry.name)
    elif source.suffix in {".yaml", ".yml", ".json"} and "schemas" not in source.parts:
        data = yaml.safe_load(source.read_bytes())
        made = {key: type(item)() if isinstance(item, list | dict) else item for key, item in data.items()}
        place.write_text(json.dumps(made if "registers" in source.parts else _without_entries(data), default=str))
    elif source.name == "catalogue.jsonl":
        place.write_bytes(source.read_bytes().partition(b"\n")[0] + b"\n")
    elif "schemas" in source.parts:
        shutil.copy2(source, place)
    else:
        place.write_bytes(b"")


def _without_entries(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_entries(item) for key, item in value.items()}
    return [] if isinstance(value, list) else value


def _close(source: Path, place: Path) -> None:
    """What cannot be read, not even by root: a file where a folder is expected, and a folder where a file is."""
    if not source.is_dir():
        place.mkdir()
    elif source.name in {"registers", "host-facts", "logs", "backup-store", "attestations", "schemas"}:
        place.mkdir()
        for entry in source.iterdir():
            _close(entry, place / entry.name)
    else:
        place.write_bytes(b"")


def _moved(value: Any, source: Path, folder: Path, secure: int, plain: int) -> Any:
    """The description with every place in it moved into the world: ports to its servers, paths to its folder."""
    if isinstance(value, dict):
        return {key: _moved(item, source, folder, secure, plain) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, source, folder, secure, plain) for item in value]
    if isinstance(value, str):
        if value.startswith(("https://", "http://")) and (port := urlsplit(value).port):
            return value.replace(f":{port}", f":{secure if value.startswith('https') else plain}")
        return value.replace(str(source), str(folder))
    return value


def _adapt(description: dict[str, Any], base: Ground, folder: Path, secure: int) -> None:
    """What a world needs that is not moved: its authority, the ports of inside, short waits, the empty repository."""
    description |= {"ca": str(base.pki.ca), "timeout_seconds": 1, "check_seconds": 20}
    description["internal"]["ca"] = str(base.pki.ca)
    for service in description["internal"]["services"]:
        service["port"] = secure
    description["advisories"] = {"folder": str(folder / "advisories"), "dated": description["advisories"]["dated"]}
    description["stores_searched"]["write_ahead_log"] = "postgres/data/pg_wal"
    del description["repository"]["since_commit"]
    description["backups"]["restore"]["command"][0] = "false"
    description["staff"]["totp"]["step_seconds"] = 5
    _shorten(description)


def _shorten(value: Any) -> None:
    for key, item in value.items() if isinstance(value, dict) else ():
        if key in SHORT and isinstance(item, int | float):
            value[key] = SHORT[key]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _shorten(item)
