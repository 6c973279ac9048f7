"""The staff console as its people use it, for tests. Nothing here uses upheld."""

from __future__ import annotations

import email
import json
import re
import ssl
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pyotp
from psycopg.rows import dict_row

from upheld_reference.audit import chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upheld_reference.deployment import Deployment

_STEP_SECONDS = 30


class Staff:
    """A running deployment as staff and its auditors see it."""

    def __init__(self, deployment: Deployment) -> None:
        self.facts = deployment.facts
        self.listener = self.facts["listeners"]["staff"]
        trusted = ssl.create_default_context(cafile=self.facts["ca_file"])
        self._client = httpx.Client(verify=trusted, trust_env=False, timeout=20)
        self._sessions: dict[str, str] = {}
        self._last_step: dict[str, int] = {}
        self.passwords = {one["name"]: one["password"] for one in self.facts["staff_identities"]}

    def close(self) -> None:
        self._client.close()

    def identity(self, name: str) -> dict[str, Any]:
        return next(one for one in self.facts["staff_identities"] if one["name"] == name)

    def call(self, method: str, path: str, who: str | None = None, **request: Any) -> httpx.Response:
        """One request, as the account ``who`` or with the bearer secret ``bearer``, repeated when the rate limit says so."""
        bearer = request.pop("bearer", None) or (self.session(who) if who else None)
        headers = {"host": f"{self.listener['host_name']}:{self.listener['port']}", **request.pop("headers", {})}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        url = f"https://{self.listener['address']}:{self.listener['port']}{path}"
        extensions = {"sni_hostname": self.listener["host_name"]}
        while True:
            answer = self._client.request(method, url, headers=headers, extensions=extensions, **request)
            if answer.status_code != 429 or "too many requests" not in answer.text:
                return answer
            time.sleep(0.5)

    def challenge(self, name: str, password: str | None = None) -> httpx.Response:
        body = {"email": self.identity(name)["email"], "password": password or self.passwords[name]}
        return self.call("POST", "/v1/challenges", json=body)

    def finish(self, challenge: httpx.Response | str, code: str | None) -> httpx.Response:
        secret = challenge if isinstance(challenge, str) else challenge.json()["challenge"]
        return self.call("POST", "/v1/sessions", json={"challenge": secret} | ({} if code is None else {"code": code}))

    def code_at(self, name: str, steps: int) -> str:
        """The code of ``steps`` steps from now."""
        return str(pyotp.TOTP(self.identity(name)["totp_seed"]).at(time.time() + steps * _STEP_SECONDS))

    def fresh_code(self, name: str) -> str:
        """A code that was not used before: of the oldest step that still counts; waits for a new step only if it must."""
        while True:
            now = int(time.time()) // _STEP_SECONDS
            step = max(now - 1, self._last_step.get(name, 0) + 1)
            # The oldest step may become too old on the way.
            if step == now - 1 and time.time() % _STEP_SECONDS > _STEP_SECONDS - 5:
                step = now
            if step <= now + 1:
                self._last_step[name] = step
                return str(pyotp.TOTP(self.identity(name)["totp_seed"]).generate_otp(step))
            time.sleep(1)

    def log_in(self, name: str) -> httpx.Response:
        return self.finish(self.challenge(name), self.fresh_code(name))

    def session(self, name: str) -> str:
        if name not in self._sessions:
            self._sessions[name] = str(self.log_in(name).json()["session"])
        return self._sessions[name]

    def new_session(self, name: str) -> str:
        self._sessions.pop(name, None)
        return self.session(name)

    def operations(self) -> Iterator[tuple[str, str, str]]:
        """Operation, method and path of everything in the OpenAPI document, with identifiers of things that are there."""
        workspace = self.facts["workspaces"][0]
        nothing = "00000000-0000-4000-8000-000000000000"
        for path, methods in self.call("GET", "/openapi.json").json()["paths"].items():
            filled = path.replace("{workspace_id}", workspace["id"]).replace(
                "{message_id}", workspace["objects"]["messages"][0]
            )
            for method, operation in methods.items():
                yield operation["operationId"], method.upper(), re.sub(r"\{\w+\}", nothing, filled)

    @contextmanager
    def database(self, role: str = "auditor") -> Iterator[psycopg.Connection[dict[str, Any]]]:
        with psycopg.connect(self.facts["postgres"]["urls"][role], row_factory=dict_row) as db:
            yield db

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        with self.database() as db:
            rows = db.execute(chain.SELECT).fetchall()
        return [row for row in rows if row["sequence"] > after]

    def head(self) -> int:
        return int(self.entries()[-1]["sequence"])

    def account_id(self, name: str) -> str:
        with self.database() as db:
            row = db.execute(
                "SELECT id FROM staff.accounts WHERE email = %s", [self.identity(name)["email"]]
            ).fetchone()
        assert row is not None
        return str(row["id"])

    def reset_token(self, name: str) -> str:
        """The token in the newest link that was sent to the account."""
        address = self.identity(name)["email"]
        paths = sorted(Path(self.facts["staff_mail"]).glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        texts = [
            str(message.get_payload())
            for message in (email.message_from_bytes(path.read_bytes()) for path in paths)
            if message["To"] == address
        ]
        found = re.search(r"#([A-Za-z0-9_-]+)", texts[-1])
        assert found is not None
        return found.group(1)

    def anchors(self) -> dict[int, str]:
        lines = Path(self.facts["audit_log"]["anchors"]).read_text(encoding="utf-8").splitlines()
        return {one["sequence"]: one["digest"] for one in map(json.loads, lines)}
