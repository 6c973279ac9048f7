"""What of internal services, credentials and privileges is not as promised; each function gives the set of violations."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psycopg
from psycopg import sql

from upheld_reference import pki, postgres_binaries
from upheld_reference.graph.standin import fingerprint, token_for

Files = Mapping[str, str]
REQUEST = b"GET /v1/workspaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def stranger(facts: Mapping[str, Any]) -> Files:
    """A certificate for the API's internal name from an authority that was made up just now."""
    now = dt.datetime.now(dt.UTC)
    made = pki.client_credential(
        pki.authority("made up"),
        "api.internal.rivet.example",
        not_before=now - dt.timedelta(hours=1),
        not_after=now + dt.timedelta(days=1),
    )
    folder = Path(facts["folder"]) / "logs"
    certificate, key = folder / "stranger.crt", folder / "stranger.key"
    certificate.write_bytes(made.certificate_pem)
    key.touch(mode=0o600)
    key.write_bytes(made.key_pem)
    return {"certificate": str(certificate), "key": str(key)}


def refused(facts: Mapping[str, Any]) -> dict[str, Files | None]:
    """Every way of calling that must get nobody in."""
    return {"no certificate": None, "stranger": stranger(facts), **facts["internal"]["refused_certificates"]}


def answer(facts: Mapping[str, Any], listener: str, files: Files | None, request: bytes = REQUEST) -> str:
    """The status line that the listener answers with to one request, or the TLS alert that it sends instead."""
    called = facts["listeners"][listener]
    context = ssl.create_default_context(cafile=facts["internal"]["ca_file"])
    if files is not None:
        context.load_cert_chain(files["certificate"], files["key"])
    try:
        with (
            socket.create_connection((called["address"], called["port"]), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=called["host_name"]) as secure,
        ):
            secure.sendall(request)
            return secure.recv(4096).split(b"\r\n")[0].decode("latin-1")
    except ssl.SSLError as error:
        return str(error.reason)


def connection(facts: Mapping[str, Any], role: str, **changed: str) -> str:
    """The user that a connection to the database has, or what was said against it."""
    try:
        with psycopg.connect(facts["postgres"]["urls"][role], connect_timeout=5, **changed) as db:
            [(user,)] = db.execute("SELECT current_user").fetchall()
            return str(user)
    except psycopg.OperationalError as error:
        return str(error)


def mtls_violations(facts: Mapping[str, Any]) -> set[str]:
    """Who gets in to an internal service and should not, and who does not and should."""
    found = set()
    for listener in ("vault", "worker"):
        found |= {
            f"{listener}: {name}"
            for name, files in refused(facts).items()
            if answer(facts, listener, files).startswith("HTTP/")
        }
        if not answer(facts, listener, facts["internal"]["certificates"]["api"]).startswith("HTTP/"):
            found.add(f"{listener}: the API is refused")
    for name, files in refused(facts).items():
        given = {"sslcert": files["certificate"], "sslkey": files["key"]} if files else {"sslcert": "", "sslkey": ""}
        if connection(facts, "application", **given) == "rivet_application" and given["sslcert"]:
            found.add(f"database: {name}")
        if not files and connection(facts, "application", **given) == "rivet_application":
            found.add(f"database: {name}")
    if connection(facts, "application") != "rivet_application":
        found.add("database: the API is refused")
    if connection(facts, "application", sslmode="disable", sslnegotiation="postgres") == "rivet_application":
        found.add("database: plain text")
    return found


def dump(facts: Mapping[str, Any]) -> bytes:
    """What pg_dump writes of the whole database, by the superuser."""
    program = postgres_binaries.folder(None) / "pg_dump"
    command = [str(program), "--dbname", facts["postgres"]["urls"]["superuser"]]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def forms(secret: str) -> list[bytes]:
    """The secret as it may lie somewhere: as it is, in hexadecimal, and in base64 wherever it begins in its line."""
    raw = secret.encode("utf-8")
    found = [raw, raw.hex().encode("ascii"), raw.hex().upper().encode("ascii")]
    for before in range(3):
        encoded = b64encode(b"\0" * before + raw).rstrip(b"=")
        found.append(encoded[(0, 2, 3)[before] : len(encoded) - 2])
    return found


def places(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Everything of the deployment that may hold a credential, by where it is; what Meta logs is Meta's."""
    with psycopg.connect(facts["postgres"]["urls"]["superuser"], autocommit=True) as db:
        # Commits do not wait for the log here; this one does, and so everything before it is in the files too.
        db.execute("SET synchronous_commit = on")
        db.execute("SELECT pg_logical_emit_message(true, 'test', 'flushed')")
    found = {"dump": dump(facts)}
    data = Path(facts["postgres"]["data"])
    with psycopg.connect(facts["postgres"]["urls"]["superuser"]) as db:
        # The platform's commits do not wait for the disk; this one does, and takes all before it along.
        db.execute("SET LOCAL synchronous_commit = on")
        db.execute("SELECT pg_logical_emit_message(true, 'flush', '')")
    found["wal"] = b"".join(path.read_bytes() for path in sorted((data / "pg_wal").glob("0*")))
    found["temporary files"] = b"".join(p.read_bytes() for p in data.glob("base/pgsql_tmp/*") if p.is_file())
    for path in Path(facts["logs"]).glob("*.log"):
        if path.stem not in {"graph-access", "analytics-access"}:
            found[f"{path.stem} log"] = path.read_bytes()
    return found


def holding(facts: Mapping[str, Any], secrets: list[str]) -> set[str]:
    """The places that hold any of the secrets in any form."""
    wanted = [form for secret in secrets for form in forms(secret)]
    return {name for name, content in places(facts).items() if any(form in content for form in wanted)}


def sign_up(rivet: Any, code: str, status: int = 201, number: str | None = None) -> Any:
    body = {"code": code, "phone_number": number or f"+2783{uuid4().int % 10**7:07}"}
    response = rivet.call("POST", rivet.path("acme", "/whatsapp/signup"), "acme-owner", json=body)
    assert response.status_code == status, response.text
    return response.json()


def token_copies(rivet: Any) -> set[str]:
    """Where tokens are readable after sign-ups that worked, that Meta refused and that Meta answered oddly."""
    codes = {f"AQ{uuid4().hex}": 201, f"AQfail{uuid4().hex}": 502, f"AQgarbage{uuid4().hex}": 502}
    for code, status in codes.items():
        sign_up(rivet, code, status)
    return holding(rivet.facts, [token_for(code) for code in codes])


def secret_violations(rivet: Any) -> set[str]:
    """Where webhook secrets are readable after one was made."""
    body = {"url": "https://hooks.example.net/x"}
    created = rivet.call("POST", rivet.path("acme", "/webhooks"), "acme-owner", json=body)
    assert created.status_code == 201, created.text
    secret = created.json()["secret"]
    found = holding(rivet.facts, [secret])
    again = rivet.call("GET", rivet.path("acme", f"/webhooks/{created.json()['id']}"), "acme-owner")
    return found | ({"api"} if secret in again.text else set())


def password_violations(rivet: Any) -> set[str]:
    """How passwords that members have can be read in a dump."""
    content = dump(rivet.facts)
    passwords = [identity["password"] for identity in rivet.facts["identities"]]
    found = {"plain"} if any(form in content for word in passwords for form in forms(word)) else set()
    digests = [hashlib.sha256(word.encode("utf-8")).hexdigest().encode("ascii") for word in passwords]
    return found | ({"unsalted"} if any(digest in content for digest in digests) else set())


def calls(rivet: Any, ending: str) -> list[str]:
    """The fingerprints of the tokens that calls of Meta were made with, the newest last."""
    lines = [line for line in rivet.log("graph-access").splitlines() if f'{ending}" 200' in line]
    return [line.rpartition("token-sha256=")[2] for line in lines]


def rotation_violations(rivet: Any) -> set[str]:
    """What does not change when a token is rotated, and whether owners hear of old tokens."""
    found = set()
    listed = {one["id"]: one for one in rivet.call("GET", rivet.path("acme", "/whatsapp"), "acme-owner").json()}
    old = rivet.workspace("acme")["objects"]["whatsapp_accounts"][1]
    if not listed[old]["rotation_advised"]:
        found.add("no advice at the number")
    for name in ("owner", "admin"):
        notices = rivet.call("GET", rivet.path("acme", "/notices"), f"acme-{name}").json()
        if not any(notice["kind"] == "token_rotation" and old in notice["body"] for notice in notices):
            found.add(f"no notice to the {name}")
    conversation = rivet.workspace("acme")["objects"]["conversations"][0]
    query = "SELECT sealed FROM vault.whatsapp_tokens WHERE account_id = %s"

    def send() -> str:
        body = {"conversation_id": conversation, "text": "hello"}
        assert rivet.call("POST", rivet.path("acme", "/messages"), "acme-agent", json=body).status_code == 201
        return calls(rivet, "/messages")[-1]

    first, second = f"AQ{uuid4().hex}", f"AQ{uuid4().hex}"
    account = sign_up(rivet, first)["id"]
    with psycopg.connect(rivet.postgres("vault_auditor"), autocommit=True) as db:
        [(before,)] = db.execute(query, [account]).fetchall()
        assert send() == fingerprint(token_for(first))
        path = rivet.path("acme", f"/whatsapp/{account}/rotate")
        assert rivet.call("POST", path, "acme-owner", json={"code": second}).status_code == 200
        if send() != fingerprint(token_for(second)):
            found.add("old token used")
        [(after,)] = db.execute(query, [account]).fetchall()
    return found | ({"old ciphertext kept"} if bytes(before) == bytes(after) else set())


class Impostor:
    """Answers in Meta's place, on Meta's port, with a certificate for Meta's name that nobody trusted signed."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.zone = Path(facts["internet"]["zone_file"])
        self.graph = facts["listeners"]["graph"]
        self.heard = b""
        now = dt.datetime.now(dt.UTC)
        self.context = pki.server_context()
        pki.server_credential(
            pki.authority("impostor"),
            self.graph["host_name"],
            not_before=now - dt.timedelta(hours=1),
            not_after=now + dt.timedelta(days=1),
        ).load_into(self.context, Path(facts["secrets"]))

    def __enter__(self) -> Self:
        self.sock = socket.create_server(("127.80.0.66", self.graph["port"]))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        self.before = self.zone.read_text(encoding="utf-8")
        name = self.graph["host_name"]
        lines = [line for line in self.before.splitlines() if name not in line]
        self.zone.write_text("\n".join([*lines, f"127.80.0.66 {name}"]) + "\n", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.zone.write_text(self.before, encoding="utf-8")
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.sock.accept()
            except OSError:
                return
            self.context.sslobject_class = ssl.SSLObject
            try:
                with plain, self.context.wrap_socket(plain, server_side=True) as secure:
                    secure.settimeout(2)
                    self.heard += secure.recv(65536)
                    secure.sendall(b"HTTP/1.1 500 no\r\nContent-Length: 2\r\n\r\n{}")
            except OSError:
                continue


def graph_violations(rivet: Any) -> set[str]:
    """Whether the client of Meta's API talks to an impostor, or to anybody without TLS."""
    found = set()
    time.sleep(6)  # longer than a connection to the right one is kept
    with Impostor(rivet.facts) as impostor:
        sign_up(rivet, f"AQ{uuid4().hex}", 502)
        if impostor.heard:
            found.add("talks to an impostor")
    time.sleep(6)
    sign_up(rivet, f"AQfail{uuid4().hex}", 502)
    sign_up(rivet, f"AQ{uuid4().hex}")
    made = outbound(rivet)
    assert [call for call in made if call["purpose"] == "graph"]
    return found | {f"{call['scheme']} to {call['purpose']}" for call in made if call["scheme"] != "https"}


def outbound(rivet: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in rivet.log("outbound").splitlines()]


def sharing_violations(rivet: Any) -> set[str]:
    """To whom but Meta anything goes when somebody signs up, and with what."""
    code = f"AQ{uuid4().hex}"
    sign_up(rivet, code)
    found = {call["host"] for call in outbound(rivet) if call["purpose"] != "webhook"} - {"graph.rivet.example"}
    seen = Path(rivet.facts["logs"], "analytics-access.log")
    if seen.exists() and fingerprint(token_for(code)) in seen.read_text(encoding="utf-8"):
        found.add("with the token")
    return found


def role_violations(facts: Mapping[str, Any]) -> set[str]:
    """What the application's role is or owns, and what any role was granted beyond what is declared."""
    with psycopg.connect(facts["postgres"]["urls"]["superuser"]) as db:
        rows = db.execute(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'rivet%' AND (rolsuper OR rolbypassrls)"
        ).fetchall()
        found = {f"{name} is superuser" if super_ else f"{name} bypasses row security" for name, super_, _ in rows}
        owned = """
            SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relowner = 'rivet_application'::regrole AND c.relkind IN ('r', 'v', 'p')
        """
        names = [name for (name,) in db.execute(owned).fetchall()]
        found |= {f"rivet_application owns {name}" for name in names}
        for role, objects in granted(db).items():
            declared = facts["database_grants"].get(role, {})
            for place, privileges in objects.items():
                more = set(privileges) - set(declared.get(place, ()))
                if more and place not in names:
                    found.add(f"{role} may more on {place}")
    return found


GRANTS = """
    WITH acls AS (
        SELECT n.nspname || '.' || c.relname AS place, c.relowner AS owner, c.relacl AS acl
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
        UNION ALL SELECT n.nspname || '.' || c.relname || '.' || a.attname, c.relowner, a.attacl
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        UNION ALL SELECT n.nspname, n.nspowner, n.nspacl FROM pg_namespace n
        UNION ALL SELECT n.nspname || '.' || p.proname || '()', p.proowner, p.proacl
            FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    )
    SELECT g.rolname, acls.place, array_agg(DISTINCT e.privilege_type ORDER BY e.privilege_type)
    FROM acls, aclexplode(acls.acl) e JOIN pg_roles g ON g.oid = e.grantee
    WHERE g.rolname LIKE 'rivet%' AND e.grantee <> acls.owner
    GROUP BY 1, 2 ORDER BY 1, 2
"""


def granted(db: psycopg.Connection[Any]) -> dict[str, dict[str, list[str]]]:
    """Every privilege of the platform's roles on what they do not own, by role and object, from the catalogue."""
    found: dict[str, dict[str, list[str]]] = {}
    for role, place, privileges in db.execute(GRANTS).fetchall():
        found.setdefault(role, {})[place] = list(privileges)
    return found


_WITH_ID, _WITH_TOKEN = {"waba_id", "phone_number_id", "phone_number"}, {"sealed", "access_token", "token"}


def apart_violations(facts: Mapping[str, Any]) -> set[str]:
    """Tables and views with ids and tokens, and services' roles that may read both."""
    columns = """
        SELECT n.nspname || '.' || c.relname, array_agg(a.attname::text)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'p', 'v', 'm')
            AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1
    """
    with psycopg.connect(facts["postgres"]["urls"]["superuser"]) as db:
        found = {name for name, has in db.execute(columns).fetchall() if _WITH_ID & set(has) and _WITH_TOKEN & set(has)}
        for role in (described["role"] for described in facts["database_roles"].values()):
            reads = [
                db.execute(
                    sql.SQL(
                        "SELECT has_schema_privilege({r}, {s}, 'USAGE') AND has_table_privilege({r}, {t}, 'SELECT')"
                    ).format(r=sql.Literal(role), s=sql.Literal(table.split(".")[0]), t=sql.Literal(table))
                ).fetchall()[0][0]
                for table in ("meta.whatsapp_accounts", "vault.whatsapp_tokens")
            ]
            if all(reads):
                found.add(f"{role} reads both")
    return found
