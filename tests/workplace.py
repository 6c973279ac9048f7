"""A small API with roles, sessions and plans for tests: sound unless a test switches defects, or traps that are no defects, on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .serving import serving

KEY = b"of the workplace, and long enough"
PEOPLE = {f"{tenant}-{role}": (tenant, role) for tenant in ("red", "blue") for role in ("boss", "clerk", "guest")} | {
    "green-boss": ("green", "boss"),
    "red-burn": ("red", "clerk"),
}
PLANS = {"red": "big", "blue": "huge", "green": "small"}
RANKS = ("guest", "clerk", "boss")
MAY = {
    "getSelf": RANKS,
    "changeSelf": RANKS,
    "getTenant": RANKS,
    "setPeriod": ("boss",),
    "listPeople": ("boss",),
    "listNotes": RANKS,
    "addNote": ("boss", "clerk"),
    "getNote": RANKS,
    "deleteNote": ("boss",),
    "listDrafts": ("boss", "clerk"),
    "changeRole": ("boss",),
    "disable": ("boss",),
    "enable": ("boss",),
}


def _encoded(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


def _mac(text: str, key: bytes = KEY) -> str:
    return base64.urlsafe_b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def token(person: str, session: str, *, seconds: float | None = 600, more: dict[str, Any] | None = None) -> str:
    """An access token as the server issues it, which never expires without `seconds`; it says `more` beside that."""
    claims: dict[str, Any] = {"sub": person, "sid": session}
    if seconds is not None:
        claims["exp"] = time.time() + seconds
    claims |= more or {}
    body = f"{_encoded({'alg': 'HS256'})}.{_encoded(claims)}"
    return f"{body}.{_mac(body)}"


class Workplace:
    """The state and the switches of one server. `on` names what is switched on."""

    def __init__(self, *switches: str) -> None:
        self.on = set(switches)
        self.roles = {person: role for person, (_, role) in PEOPLE.items()}
        self.disabled: set[str] = set()
        self.notes: dict[str, dict[str, str]] = {}
        self.days = dict.fromkeys(PLANS, 90)
        self.sessions: dict[str, dict[str, str]] = {}
        self.refresh: dict[str, str] = {}
        self.spent: set[str] = set()
        self.said: dict[str, dict[str, Any]] = {}
        self.port = 0

    # --- who it is -------------------------------------------------------------------------------------------------

    def _issue(self, person: str, session: str) -> dict[str, Any]:
        seconds: float | None = 30 * 86400 if {"30 days", "says 10 minutes"} & self.on else 600
        if "no expiry" in self.on:
            seconds = None
        refresh = {}
        if "no refresh tokens" not in self.on:
            refresh = {"refresh_token": secrets.token_urlsafe(16)}
            self.refresh[refresh["refresh_token"]] = session
        return {
            "access_token": token(person, session, seconds=seconds, more=self.said.get("token")),
            "expires_in": 600 if {"no expiry", "says 10 minutes"} & self.on else seconds,
            **refresh,
            **self.said.get("login", {}),
        }

    async def log_in(self, request: Request) -> Response:
        body = await request.json()
        person = body.get("name")
        if body.get("password") != f"password-of-{person}" or person in self.disabled:
            return JSONResponse({"error": "wrong"}, 401)
        session = secrets.token_hex(8)
        self.sessions[session] = {"person": person, "role": self.roles[person]}
        answer = JSONResponse(self._issue(person, session), headers=self.said.get("headers"))
        for name, value in self.said.get("cookies", {}).items():
            answer.set_cookie(name, value, httponly=True)
        return answer

    async def exchange(self, request: Request) -> Response:
        given = (await request.json()).get("refresh_token", "")
        session = self.refresh.get(given)
        if session not in self.sessions or (given in self.spent and "refresh reusable" not in self.on):
            return JSONResponse({"error": "no"}, 401)
        self.spent.add(given)
        answer = self._issue(self.sessions[session]["person"], session)
        if "no rotation" in self.on:
            answer["refresh_token"] = given
        return JSONResponse(answer)

    async def revoke(self, request: Request) -> Response:
        claims = self._claims((await request.json()).get("token", ""))
        if claims and "revocation ignored" not in self.on:
            self.sessions.pop(claims["sid"], None)
        return JSONResponse({})

    def _claims(self, given: str) -> dict[str, Any] | None:
        try:
            header, body, mac = given.split(".")
            algorithm = json.loads(base64.urlsafe_b64decode(header + "=="))["alg"]
            claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        except (ValueError, KeyError):
            return None
        unsigned = algorithm.lower() == "none" and "alg none" in self.on
        if (
            not unsigned
            and "signature ignored" not in self.on
            and not hmac.compare_digest(mac, _mac(f"{header}.{body}"))
            and not ("key is a word" in self.on and hmac.compare_digest(mac, _mac(f"{header}.{body}", b"secret")))
        ):
            return None
        if claims.get("exp", time.time()) < time.time() and "expiry ignored" not in self.on:
            return None
        return dict(claims)

    def caller(self, request: Request) -> tuple[str, str, str] | None:
        """Person, tenant and role."""
        claims = self._claims(request.headers.get("authorization", "").removeprefix("Bearer "))
        session = self.sessions.get(claims["sid"]) if claims else None
        if claims is None or session is None:
            return None
        person = session["person"]
        if person in self.disabled and "disabled goes on" not in self.on:
            return None
        role = session["role"] if "old role" in self.on else self.roles[person]
        if "role by header" in self.on:
            role = request.headers.get("x-role", role)
        if "role by query" in self.on:
            role = request.query_params.get("role", role)
        return person, PEOPLE[person][0], role

    # --- what it does ----------------------------------------------------------------------------------------------

    def turned_away(self) -> Response:
        """What a stranger gets."""
        if "redirects strangers" in self.on:
            return RedirectResponse("/login", 302)
        if "refuses by text" in self.on:
            return JSONResponse({"error": "not for you"})
        if "404 for everybody" in self.on:
            return JSONResponse({}, 404)
        return JSONResponse({}, 403 if {"403 for strangers", "403 for everybody"} & self.on else 401)

    def forbidden(self) -> Response:
        """What somebody gets whose role may not."""
        if "refuses by text" in self.on:
            return JSONResponse({"error": "not for you"})
        return JSONResponse({"error": "forbidden"}, 404 if "hides" in self.on else 403)

    def serve(self, operation: str) -> Any:
        async def serve(request: Request) -> Response:
            who = self.caller(request)
            everybody = {"nobody gets in", "403 for everybody", "404 for everybody"} & self.on
            if everybody or (who is None and f"open {operation}" not in self.on):
                return self.turned_away()
            person, tenant, role = who or ("", "red", "boss")
            wanted = request.path_params.get("tenant_id", tenant)
            if wanted != tenant:
                return JSONResponse({"error": "not found"}, 404)
            lax = {f"lax {operation}", f"lax in {tenant}", "works for guests only"} & self.on
            quiet = f"refuses and does {operation}" in self.on and role not in MAY[operation]
            if role not in MAY[operation] and not lax and not quiet:
                return self.forbidden()
            if "works for guests only" in self.on and operation == "listPeople" and role != "guest":
                return self.forbidden()
            if f"too strict {operation}" in self.on and role != "boss":
                return JSONResponse({"error": "forbidden"}, 403)
            answer = await getattr(self, operation)(request, person, tenant)
            return JSONResponse({"error": "forbidden"}, 403) if quiet else answer

        return serve

    async def getSelf(self, _request: Request, person: str, _tenant: str) -> Response:
        return JSONResponse({"id": person, "role": self.roles.get(person, ""), **self.said.get("getSelf", {})})

    async def changeSelf(self, request: Request, person: str, tenant: str) -> Response:
        body = await request.json()
        if "role" in body and "mass assignment" in self.on:
            self.roles[person] = body["role"]
        return await self.getSelf(request, person, tenant)

    async def getTenant(self, _request: Request, _person: str, tenant: str) -> Response:
        return JSONResponse({"name": tenant, "retention_days": self.days[tenant]})

    async def setPeriod(self, request: Request, _person: str, tenant: str) -> Response:
        days = (await request.json()).get("days")
        if PLANS[tenant] == "small" and "any plan" not in self.on:
            return JSONResponse({"error": "not on this plan"}, 403)
        if isinstance(days, bool) or not isinstance(days, int) or (not 1 <= days <= 365 and "no bounds" not in self.on):
            return JSONResponse({"error": "invalid"}, 422)
        for one in PLANS if "one for all" in self.on else [tenant]:
            self.days[one] = days
        if "setting forgotten" in self.on:
            self.days[tenant] = 90
        return JSONResponse({"days": days})

    async def listPeople(self, _request: Request, _person: str, tenant: str) -> Response:
        more = self.said.get("listPeople", {})
        return JSONResponse([{"id": one, **more} for one, (whose, _) in PEOPLE.items() if whose == tenant])

    async def listNotes(self, _request: Request, _person: str, tenant: str) -> Response:
        return JSONResponse([one for one in self.notes.values() if one["tenant"] == tenant])

    async def listDrafts(self, _request: Request, _person: str, _tenant: str) -> Response:
        return JSONResponse([])

    async def addNote(self, request: Request, _person: str, tenant: str) -> Response:
        try:
            text = (await request.json())["text"]
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "invalid"}, 422)
        if "crashes on NUL" in self.on and "\x00" in str(text):
            return JSONResponse({"error": "oops"}, 500)
        if "takes anything" not in self.on and (not isinstance(text, str) or "\x00" in text or len(text) > 1000):
            return JSONResponse({"error": "invalid"}, 422)
        note = {"id": secrets.token_hex(8), "tenant": tenant, "text": str(text)}
        self.notes[note["id"]] = note
        return JSONResponse(note, 201)

    async def getNote(self, request: Request, _person: str, tenant: str) -> Response:
        one = self.notes.get(request.path_params["note_id"])
        return JSONResponse(one) if one and one["tenant"] == tenant else JSONResponse({}, 404)

    async def deleteNote(self, request: Request, _person: str, tenant: str) -> Response:
        one = self.notes.get(request.path_params["note_id"])
        if one is None or one["tenant"] != tenant:
            return JSONResponse({}, 404)
        del self.notes[one["id"]]
        return Response(status_code=204)

    async def changeRole(self, request: Request, _person: str, _tenant: str) -> Response:
        self.roles[request.path_params["person_id"]] = (await request.json())["role"]
        return JSONResponse({})

    async def disable(self, request: Request, _person: str, _tenant: str) -> Response:
        self.disabled.add(request.path_params["person_id"])
        return JSONResponse({})

    async def enable(self, request: Request, _person: str, _tenant: str) -> Response:
        self.disabled.discard(request.path_params["person_id"])
        return JSONResponse({})

    # --- pages -----------------------------------------------------------------------------------------------------

    async def home(self, _request: Request) -> Response:
        return HTMLResponse(
            "<p>welcome<script src=/app.js></script><script src=https://elsewhere.example/x.js></script>"
        )

    async def script(self, _request: Request) -> Response:
        key = 'apiKey:"k9f8w7e6r5t4y3u2i1o0"' if "key in script" in self.on else 'clientId:"public-client"'
        return Response(f"f({{{key}}});\n//# sourceMappingURL=app.js.map", media_type="text/javascript")

    async def source_map(self, _request: Request) -> Response:
        if "no source map" in self.on:
            return Response("no such page", 404)
        line = 'const PASSWORD = "Tr0ub4dor-and-3";' if "key in map" in self.on else "const a = 1;"
        return JSONResponse({"version": 3, "sources": ["a.js"], "sourcesContent": [line], "mappings": ""})

    def document(self) -> dict[str, Any]:
        found = openapi()
        if "no refresh tokens" in self.on:
            del found["paths"]["/refresh"]
        if "takes a note" in self.on:
            note = {"name": "note_id", "in": "query", "required": False, "schema": {"type": "string"}}
            for path, method in (("/self", "patch"), ("/t/{tenant_id}/drafts", "get")):
                found["paths"][path][method]["parameters"] = [note]
        return found

    def app(self) -> Any:
        routes = [
            Route("/openapi.json", lambda _request: JSONResponse(self.document())),
            Route("/", self.home),
            Route("/app.js", self.script),
            Route("/app.js.map", self.source_map),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/refresh", self.exchange, methods=["POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
        ]
        for operation, method, path, _ in OPERATIONS:
            routes.append(Route(path, self.serve(operation), methods=[method.upper()]))
        return Starlette(routes=routes)

    @contextmanager
    def serving(self) -> Iterator[Workplace]:
        """Serve on a free loopback port for the block."""
        with serving(self.app()) as self.port:
            yield self

    def target(self, **parts: Any) -> dict[str, Any]:
        """The target's parts that describe this server; `parts` replaces some."""
        return {
            "endpoints": [{"name": "api", "url": f"http://127.0.0.1:{self.port}"}],
            "tenants": [{"name": name, "id": name, "compared": name != "green"} for name in PLANS],
            "identities": [
                {
                    "name": person,
                    "tenant": tenant,
                    "role": role,
                    "login": "form",
                    "values": {"name": person},
                    "secrets": {"password": f"env:{_variable(person)}"},
                    "throwaway": person == "red-burn",
                }
                for person, (tenant, role) in PEOPLE.items()
            ],
            "api": {
                "endpoint": "api",
                "openapi": "/openapi.json",
                "logins": {"form": {"path": "/login", "json": {"name": "{name}", "password": "{password}"}}},
                "parameters": {"note_id": "note", "person_id": "person"},
                "objects": {
                    "note": {
                        "create": "addNote",
                        "json": {"text": "{search} {canary}"},
                        "read": "getNote",
                        "delete": "deleteNote",
                    }
                },
                "operations": {
                    "changeSelf": {"json": {"name": "x"}},
                    "setPeriod": {"json": {"days": 90}},
                    "changeRole": {"json": {"role": "guest"}},
                },
                "excluded": dict.fromkeys(("changeRole", "disable", "enable"), "it changes accounts"),
                "acting_role": "boss",
            },
            "access": {
                "roles": {name: may for name, may in MAY.items() if may != RANKS},
                "everyone": [name for name, may in MAY.items() if may == RANKS],
                "profile": {"read": "getSelf", "change": "changeSelf"},
                "role_change": {"kind": "person", "change": "changeRole", "disable": "disable", "enable": "enable"},
            },
            "sessions": {
                "whoami": "getSelf",
                "identity": "red-boss",
                "refresh": {"operation": "refresh"},
                "revoke": {"operation": "revoke", "json_body": {"token": "{token}"}},
                "expired": ["env:TEST_EXPIRED_TOKEN"],
            },
            "plans": {
                "holders": [
                    {"plan": plan, "tenant": tenant, "identity": f"{tenant}-boss"} for tenant, plan in PLANS.items()
                ],
                "set": "setPeriod",
                "read": "getTenant",
            },
            **parts,
        }

    def secret_values(self, expired: str = "") -> dict[str, str]:
        """The environment variables to which the target refers; the expired token belongs to a session that lives."""
        self.sessions["kept"] = {"person": "red-boss", "role": "boss"}
        values = {_variable(person): f"password-of-{person}" for person in PEOPLE}
        return {**values, "TEST_EXPIRED_TOKEN": expired or token("red-boss", "kept", seconds=-60)}


def _variable(person: str) -> str:
    return f"TEST_PASSWORD_{person.upper().replace('-', '_')}"


TEXT = {"type": "object", "properties": {"text": {"type": "string", "maxLength": 1000}}, "required": ["text"]}
OPERATIONS: tuple[tuple[str, str, str, Any], ...] = (
    ("getSelf", "get", "/self", None),
    ("changeSelf", "patch", "/self", {"type": "object", "properties": {"name": {"type": "string"}}}),
    ("getTenant", "get", "/t/{tenant_id}", None),
    ("setPeriod", "put", "/t/{tenant_id}/period", {"type": "object", "properties": {"days": {"type": "integer"}}}),
    ("listPeople", "get", "/t/{tenant_id}/people", None),
    ("listDrafts", "get", "/t/{tenant_id}/drafts", None),
    ("listNotes", "get", "/t/{tenant_id}/notes", None),
    ("addNote", "post", "/t/{tenant_id}/notes", TEXT),
    ("getNote", "get", "/t/{tenant_id}/notes/{note_id}", None),
    ("deleteNote", "delete", "/t/{tenant_id}/notes/{note_id}", None),
    ("changeRole", "put", "/people/{person_id}/role", {"type": "object", "properties": {"role": {"type": "string"}}}),
    ("disable", "post", "/people/{person_id}/disable", None),
    ("enable", "post", "/people/{person_id}/enable", None),
)


def openapi() -> dict[str, Any]:
    """The OpenAPI document of the server."""
    paths: dict[str, Any] = {}
    for operation, method, path, body in OPERATIONS:
        paths.setdefault(path, {})[method] = {"operationId": operation, "responses": {}}
        if body is not None:
            paths[path][method]["requestBody"] = {"content": {"application/json": {"schema": body}}}
    for name, field in (("refresh", "refresh_token"), ("revoke", "token")):
        schema = {"type": "object", "properties": {field: {"type": "string"}}}
        content = {"application/json": {"schema": schema}}
        paths[f"/{name}"] = {"post": {"operationId": name, "security": [], "requestBody": {"content": content}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "workplace", "version": "1"},
        "security": [{"bearer": []}],
        "paths": paths,
    }
