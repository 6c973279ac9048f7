"""A small staff console over the notes of `TwoTenants` for tests: sound unless a test switches defects, or blindness, on."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyotp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .serving import serving
from .two_tenants import TwoTenants

PEOPLE = {
    "sue": "support",
    "eve": "security",
    "ann": "security",
    "zed": "engineer",
    **{f"burn{number}": "support" for number in range(1, 5)},
}
PASSWORDS = {name: f"horse-battery-{name}" for name in PEOPLE}
SEEDS = {name: pyotp.random_base32() for name in PEOPLE}
GOOD = "T-1: the customer says that the note is garbled"
STEP = 30
ROLES = {
    "me": ("support", "engineer", "security"),
    "leave": ("support", "engineer", "security"),
    "listAccounts": ("security",),
    "disableAccount": ("security",),
    "listTenantNotes": ("support", "security"),
    "find": ("support", "security"),
    "readNote": ("support", "security"),
    "askGlass": ("engineer", "security"),
    "approveGlass": ("security",),
    "startGlass": ("engineer", "security"),
    "endGlass": ("engineer", "security"),
}
PUBLIC = ("start", "finish", "askReset", "doReset", "hello")
ACTIONS = {name: f"staff.{name}" for name in (*ROLES, "start", "finish", "askReset", "doReset")}

Record = Callable[[str, str, str, str, str, "str | None", "dict[str, Any]"], None]
"""Actor, action, target, tenant, outcome, reason, details."""


class StaffConsole:
    """The state and the switches of one console; `record` is called for each entry of the audit log."""

    def __init__(self, notes: TwoTenants, mail: Path, *switches: str, record: Record | None = None) -> None:
        self.notes = notes
        self.mail = mail
        self.on = set(switches)
        self.write: Record = record or (lambda *_: None)
        self.challenges: dict[str, str] = {}
        self.sessions: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.steps: dict[str, int] = {}
        self.disabled: set[str] = set()
        self.glass: dict[str, dict[str, Any]] = {}
        self.been_in: set[str] = set()
        self.port = 0

    def record(
        self, name: str, actor: str, target: str, tenant: str, outcome: str, reason: str | None = None, **more: Any
    ) -> None:
        if f"{name} not logged" in self.on or (outcome == "refused" and "refusals not logged" in self.on):
            return
        if "reason not logged" in self.on:
            reason = None
        self.write(f"staff:{actor}" if actor else "nobody", ACTIONS[name], target, tenant, outcome, reason, more)

    # --- the entrance ----------------------------------------------------------------------------------------------

    def takes(self, user: str, code: Any) -> bool:
        if "exempt burn2" in self.on and user == "burn2":
            return True
        if code is None:
            return "code optional" in self.on
        totp = pyotp.TOTP(SEEDS[user], interval=STEP)
        window = 40 if "any age" in self.on else 1
        now = int(time.time()) // STEP
        step = next((one for one in range(now - window, now + window + 1) if totp.generate_otp(one) == code), None)
        if "any code" in self.on and code:
            return True
        if step is None or (step <= self.steps.get(user, 0) and "replay" not in self.on):
            return False
        if abs(step - now) <= 1:  # A code that should not have counted uses nothing up, so that no test waits for it.
            self.steps[user] = max(step, self.steps.get(user, 0))
        return "no code works" not in self.on

    async def start(self, request: Request) -> Response:
        body = await body_of(request)
        user = body.get("user", "")
        locked = "locked" in self.on or ("locked after a session" in self.on and user in self.been_in)
        if locked or PASSWORDS.get(user) != body.get("password") or user in self.disabled:
            self.record("start", user if user in PEOPLE else "", f"account:{user}", "", "refused")
            return JSONResponse({"error": "wrong"}, 401)
        challenge = secrets.token_urlsafe(24)
        self.challenges[challenge] = user
        self.record("start", user, f"account:{user}", "", "done")
        more = {"session": self.open(user)} if "password gives session" in self.on else {}
        return JSONResponse({"challenge": challenge, **more})

    async def finish(self, request: Request) -> Response:
        body = await body_of(request)
        user = self.challenges.pop(str(body.get("challenge")), None)
        if user is None or not self.takes(user, body.get("code")):
            self.record("finish", user or "", f"account:{user}", "", "refused")
            return JSONResponse({"error": "wrong"}, 401)
        self.record("finish", user, f"account:{user}", "", "done")
        self.been_in.add(user)
        return JSONResponse({"session": self.open(user), "expires_in": 600})

    def open(self, user: str) -> str:
        session = secrets.token_urlsafe(24)
        self.sessions[session] = user
        return session

    async def ask_reset(self, request: Request) -> Response:
        user = (await body_of(request)).get("user", "")
        if user in PEOPLE and "no mail" not in self.on:
            token = secrets.token_urlsafe(24)
            self.links[token] = user
            self.mail.mkdir(exist_ok=True)
            message = (
                f"To: {user}\nSubject: link\nContent-Type: text/plain\n\nUse https://x.example/reset#{token} now\n"
            )
            (self.mail / f"{uuid.uuid4()}.eml").write_text(message)
        self.record("askReset", user, f"account:{user}", "", "done")
        return JSONResponse({"sent": True})

    async def do_reset(self, request: Request) -> Response:
        body = await body_of(request)
        user = self.links.pop(str(body.get("token")), None)
        gives = "reset gives session" in self.on
        if user is None or not (gives or self.takes(user, body.get("code"))):
            self.record("doReset", user or "", f"account:{user}", "", "refused")
            return JSONResponse({"error": "wrong"}, 401)
        self.record("doReset", user, f"account:{user}", "", "done")
        answer = JSONResponse({"next": {"session": self.open(user)}} if gives else {"next": "log in"})
        if "reset sets cookie" in self.on:
            answer.set_cookie("session", "x" * 20)
        return answer

    async def hello(self, _request: Request) -> Response:
        return JSONResponse({"service": "staff", "token": self.open("eve") if "hello gives session" in self.on else ""})

    # --- with a session --------------------------------------------------------------------------------------------

    def guarded(self, name: str, work: Callable[[Request, str], Any], target: Callable[[Request], str]) -> Any:
        async def serve(request: Request) -> Response:
            secret = request.headers.get("authorization", "").removeprefix("Bearer ")
            user = self.sessions.get(secret) or (
                self.challenges.get(secret) if "challenge is session" in self.on else None
            )
            tenant = request.path_params.get("tenant_id", "")
            if user is None and f"{name} open" not in self.on:
                self.record(name, "", target(request), tenant, "refused")
                return JSONResponse({"error": "no session"}, 401)
            if PEOPLE.get(user or "", "") not in ROLES[name] and f"{name} open" not in self.on:
                self.record(name, user or "", target(request), tenant, "refused")
                return JSONResponse({"error": "not allowed"}, 200 if "refuses by text" in self.on else 403)
            found = await work(request, user or "")
            if isinstance(found, Response):
                self.record(name, user or "", target(request), tenant, "refused")
                return JSONResponse({"error": "not allowed"}) if "refuses by text" in self.on else found
            answer, where, more = found
            self.record(name, user or "", where or target(request), tenant, "done", **more)
            return JSONResponse(answer)

        return serve

    async def me(self, _request: Request, user: str) -> Any:
        return {"id": user}, f"account:{user}", {}

    async def leave(self, request: Request, user: str) -> Any:
        self.sessions.pop(request.headers["authorization"].removeprefix("Bearer "), None)
        return {}, f"account:{user}", {}

    async def accounts(self, _request: Request, _user: str) -> Any:
        left_out = {"burn1"} if "accounts incomplete" in self.on else set()
        bare = {"burn2"} if "exempt burn2" in self.on else set()
        listed = [
            {"id": name, "user": name, "second_factor": name not in bare, "off": name in self.disabled}
            for name in PEOPLE
            if name not in left_out
        ]
        listed.append({"id": "old", "user": "old", "second_factor": False, "off": True})
        return {"items": [] if "no accounts" in self.on else listed}, "accounts", {}

    async def disable(self, request: Request, _user: str) -> Any:
        return {}, f"account:{request.path_params['account_id']}", {}

    async def list_notes(self, request: Request, _user: str) -> Any:
        tenant = request.path_params["tenant_id"]
        shown = [one for one in self.notes.notes.values() if one["tenant"] == tenant]
        keys = ("id", "text") if "listing shows content" in self.on else ("id",)
        if "listing is empty" in self.on:
            shown = []
        return [{key: one[key] for key in keys} for one in shown], f"tenant:{tenant}", {}

    async def find(self, request: Request, _user: str) -> Any:
        wanted = request.query_params.get("q", "")
        found = [
            one["id"]
            for one in self.notes.notes.values()
            if wanted in one["id"] and "find finds nothing" not in self.on
        ]
        by_text = [one for one in self.notes.notes.values() if wanted in one["text"]]
        if "find shows content" in self.on:
            found += [one["text"] for one in by_text]
        if "find by content" in self.on:
            found += [one["id"] for one in by_text]
        return {"found": found}, "search", {}

    async def read(self, request: Request, _user: str) -> Any:
        one = self.notes.notes.get(request.path_params["note_id"])
        reason = (await body_of(request)).get("why")
        if "reading broken" in self.on:
            return JSONResponse({"error": "broken"}, 500)
        if "empty without a reason" in self.on and not reason:
            return {"text": ""}, "", {}
        if not (isinstance(reason, str) and ("blank reason" in self.on or len(reason.split()) > 5)) and (
            "no reason needed" not in self.on
        ):
            leak = {"was": one["text"]} if one and "refusal shows content" in self.on else {}
            return JSONResponse({"error": "why?", **leak}, 422)
        if one is None:
            return JSONResponse({"error": "not found"}, 404)
        return (
            {"text": "" if "reading shows nothing" in self.on else one["text"]},
            f"note:{one['id']}",
            {"reason": reason},
        )

    # --- emergencies -----------------------------------------------------------------------------------------------

    async def ask_glass(self, request: Request, user: str) -> Any:
        ticket = (await body_of(request)).get("ticket")
        if not ticket and "no ticket needed" not in self.on:
            return JSONResponse({"error": "ticket"}, 422)
        identity = str(uuid.uuid4())
        self.glass[identity] = {"by": user, "approved": False, "ticket": ticket}
        return {"id": identity}, f"glass:{identity}", {"ticket": ticket}

    async def approve_glass(self, request: Request, user: str) -> Any:
        one = self.glass.get(request.path_params["glass_id"])
        if one is None or (one["by"] == user and "own approval" not in self.on) or "approval broken" in self.on:
            return JSONResponse({"error": "not you"}, 403)
        one["approved"] = True
        return {}, "", {}

    async def start_glass(self, request: Request, _user: str) -> Any:
        one = self.glass.get(request.path_params["glass_id"])
        if one is None or not (one["approved"] or "starts unapproved" in self.on):
            return JSONResponse({"error": "not approved"}, 409)
        return {}, "", {}

    async def end_glass(self, _request: Request, _user: str) -> Any:
        if "ending limited" in self.on:
            return JSONResponse({"error": "too many"}, 429, {"Retry-After": "600"})
        return {}, "", {}

    # --- serving ---------------------------------------------------------------------------------------------------

    async def document(self, _request: Request) -> Response:
        return JSONResponse(openapi())

    def app(self) -> Starlette:
        def path(kind: str, parameter: str) -> Callable[[Request], str]:
            return lambda request: f"{kind}:{request.path_params.get(parameter, '')}"

        def session_route(
            where: str, name: str, work: Any, target: Callable[[Request], str], method: str = "GET"
        ) -> Route:
            return Route(where, self.guarded(name, work, target), methods=[method])

        glass = path("glass", "glass_id")
        return Starlette(
            routes=[
                Route("/openapi.json", self.document),
                Route("/start", self.start, methods=["POST"]),
                Route("/finish", self.finish, methods=["POST"]),
                Route("/resets", self.ask_reset, methods=["POST"]),
                Route("/resets/done", self.do_reset, methods=["POST"]),
                Route("/hello", self.hello),
                session_route("/me", "me", self.me, lambda _: "account"),
                session_route("/session", "leave", self.leave, lambda _: "account", "DELETE"),
                session_route("/accounts", "listAccounts", self.accounts, lambda _: "accounts"),
                session_route(
                    "/accounts/{account_id}/off", "disableAccount", self.disable, path("account", "account_id"), "POST"
                ),
                session_route("/t/{tenant_id}/notes", "listTenantNotes", self.list_notes, path("tenant", "tenant_id")),
                session_route("/find", "find", self.find, lambda _: "search"),
                session_route(
                    "/t/{tenant_id}/notes/{note_id}/read", "readNote", self.read, path("note", "note_id"), "POST"
                ),
                session_route("/glass", "askGlass", self.ask_glass, lambda _: "glass", "POST"),
                session_route("/glass/{glass_id}/approve", "approveGlass", self.approve_glass, glass, "POST"),
                session_route("/glass/{glass_id}/start", "startGlass", self.start_glass, glass, "POST"),
                session_route("/glass/{glass_id}/end", "endGlass", self.end_glass, glass, "POST"),
            ]
        )

    @contextmanager
    def serving(self) -> Iterator[StaffConsole]:
        """Serve on a free loopback port for the block."""
        with serving(self.app()) as self.port:
            yield self

    def target(self, **staff: Any) -> dict[str, Any]:
        """The target's parts that describe the console and the notes; `staff` replaces parts of the console's description."""
        parts = self.notes.target()
        parts["endpoints"].append({"name": "staff", "url": f"http://127.0.0.1:{self.port}", "public": False})
        described = {
            "api": {
                "endpoint": "staff",
                "openapi": "/openapi.json",
                "refused": {"statuses": [401, 403, 404, 409, 422]},
                "tenant_parameter": "tenant_id",
                "parameters": {"note_id": "note", "account_id": "account", "glass_id": "glass"},
                "operations": {
                    "find": {"query": {"q": "{search}"}},
                    "readNote": {"json": {}},
                    "askReset": {"json": {"user": "{user}"}},
                    "doReset": {"json": {"token": "{token}", "password": "{password}", "code": "{code}"}},
                    "askGlass": {"json": {"ticket": "T-7"}},
                },
            },
            "login": {
                "steps": [
                    {
                        "operation": "start",
                        "json": {"user": "{user}", "password": "{password}"},
                        "gives": {"challenge": "/challenge"},
                    },
                    {"operation": "finish", "json": {"challenge": "{challenge}", "code": "{code}"}},
                ],
                "token": "/session",
                "ends": "leave",
            },
            "identities": [
                {
                    "name": name,
                    "role": role,
                    "values": {"user": name},
                    "secrets": {"password": f"env:STAFF_PASSWORD_{name.upper()}"},
                    "totp_seed": f"env:STAFF_SEED_{name.upper()}",
                    "throwaway": name.startswith("burn"),
                }
                for name, role in PEOPLE.items()
            ],
            "me": "me",
            "accounts": {
                "operation": "listAccounts",
                "items": "/items",
                "account": "/user",
                "enrolled": "/second_factor",
                "disabled": "/off",
            },
            "reading": {"operation": "readNote", "kind": "note", "reason": "why", "good": GOOD, "poor": ["T-1"]},
            "reset": {
                "request": "askReset",
                "complete": "doReset",
                "mail": f"{self.mail.name}/*.eml",
                "link": "#([^ ]+)",
            },
            "break_glass": {
                "request": "askGlass",
                "approve": "approveGlass",
                "start": "startGlass",
                "end": "endGlass",
                "kind": "glass",
            },
            "roles": ROLES,
            "actions": ACTIONS,
        }
        return {**parts, "staff": {**described, **staff}}


def secret_values() -> dict[str, str]:
    """The environment variables to which the target refers."""
    from .two_tenants import secret_values as of_tenants

    found = of_tenants()
    for name in PEOPLE:
        found |= {f"STAFF_PASSWORD_{name.upper()}": PASSWORDS[name], f"STAFF_SEED_{name.upper()}": SEEDS[name]}
    return found


async def body_of(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return body if isinstance(body, dict) else {}


def openapi() -> dict[str, Any]:
    """The OpenAPI document of the console."""
    body = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
    places = {
        "start": ("post", "/start"),
        "finish": ("post", "/finish"),
        "askReset": ("post", "/resets"),
        "doReset": ("post", "/resets/done"),
        "hello": ("get", "/hello"),
        "me": ("get", "/me"),
        "leave": ("delete", "/session"),
        "listAccounts": ("get", "/accounts"),
        "disableAccount": ("post", "/accounts/{account_id}/off"),
        "listTenantNotes": ("get", "/t/{tenant_id}/notes"),
        "find": ("get", "/find"),
        "readNote": ("post", "/t/{tenant_id}/notes/{note_id}/read"),
        "askGlass": ("post", "/glass"),
        "approveGlass": ("post", "/glass/{glass_id}/approve"),
        "startGlass": ("post", "/glass/{glass_id}/start"),
        "endGlass": ("post", "/glass/{glass_id}/end"),
    }
    with_body = {"start", "finish", "askReset", "doReset", "readNote", "askGlass"}
    paths: dict[str, Any] = {}
    for name, (method, where) in places.items():
        operation: dict[str, Any] = {"operationId": name, "responses": {}, **(body if name in with_body else {})}
        if name in PUBLIC:
            operation["security"] = []
        if name == "find":
            operation["parameters"] = [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}]
        paths.setdefault(where, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "staff", "version": "1"},
        "security": [{"session": []}],
        "paths": paths,
    }
