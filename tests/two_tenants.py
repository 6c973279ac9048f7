"""A small API with two tenants for tests: sound unless a test switches defects, or traps that are no defects, on."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .serving import serving

PASSWORDS = {"ada": "correct-horse-1", "bob": "correct-horse-2", "burn": "correct-horse-3"}
TENANT_OF = {"ada": "red", "bob": "blue", "burn": "blue"}
LIMIT = 8
WINDOW_SECONDS = 1.0
LOCK_AFTER = 4
LOCK_SECONDS = 1
ADDRESS_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP")


class TwoTenants:
    """The state and the switches of one server. `defects` and `traps` name what is on; `log` is its security log."""

    def __init__(self, log: Path, *switches: str, limit: int = 100_000) -> None:
        self.on = set(switches)
        self.log = log
        self.limit = limit
        self.window_seconds = WINDOW_SECONDS
        self.notes: dict[str, dict[str, str]] = {}
        self.later: list[tuple[dict[str, str], str]] = []
        self.links: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}
        self.windows: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self.failures: dict[str, int] = defaultdict(int)
        self.locked: dict[str, float] = {}
        self.ahead_seconds = 0.0
        self.shut_until: float | None = None
        self.reads = 0
        self.asked: list[tuple[str, str]] = []
        self.page = "/v1/home" if "only version 1 limited" in self.on else "/home"
        self.port = 0

    # --- what it serves --------------------------------------------------------------------------------------------

    async def document(self, request: Request) -> Response:
        found = openapi(answers="answers described" in self.on)
        if self.caller(request) is None and "document for members" in self.on:
            return JSONResponse({"error": "unauthenticated"}, 401)
        if self.caller(request) is None and "document hides notes" in self.on:
            del found["paths"]["/t/{tenant_id}/notes/{note_id}"]
        if "anybody adds" in self.on:
            found["paths"]["/t/{tenant_id}/notes"]["post"]["security"] = []
        if "notes name themselves" in self.on:
            named = {name: {"type": "string"} for name in ("text", "note_id", "tenant_id")}
            changes = found["paths"]["/t/{tenant_id}/notes/{note_id}"]["patch"]["requestBody"]["content"]
            changes["application/json"]["schema"] = {"type": "object", "properties": named}
        if "anybody searches" in self.on:
            found["paths"]["/t/{tenant_id}/search"]["get"]["security"] = []
        if not any(one.startswith("index") for one in self.on):
            del found["paths"]["/t/{tenant_id}/index"]
        return JSONResponse(found)

    async def home(self, _request: Request) -> Response:
        if "home broken" in self.on:
            return Response("no database", 503)
        return Response("welcome", media_type="text/plain")

    def now(self) -> float:
        """The server's time, which a test may put ahead."""
        return time.monotonic() + self.ahead_seconds

    def go_on(self, seconds: float) -> None:
        """So much time goes by for the server."""
        self.ahead_seconds += seconds

    def lock_seconds(self) -> float:
        """How long an account is locked, whatever the answer says."""
        return next((float(one.split()[2]) for one in self.on if one.startswith("locked for ")), LOCK_SECONDS)

    def login_limited(self) -> Response | None:
        """The limit of `login limited for … s`, which begins with the first login of all."""
        seconds = next((one.split()[3] for one in self.on if one.startswith("login limited for ")), None)
        if seconds is None:
            return None
        if self.shut_until is None:
            self.shut_until = self.now() + float(seconds)
        return (
            JSONResponse({"error": "too many"}, 429, {"Retry-After": seconds}) if self.now() < self.shut_until else None
        )

    async def login(self, request: Request) -> Response:
        if (limited := self.login_limited()) is not None:
            return limited
        try:
            body = await request.json()
            user, password = body["user"], body["password"]
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "invalid"}, 422)
        if "no lockout" not in self.on and self.locked.get(user, 0) > self.now():
            if "silent lockout" in self.on:
                return JSONResponse({"error": "wrong"}, 401)
            told = "Thu, 01 Jan 2026 00:00:00 GMT" if "lock ended long ago" in self.on else str(LOCK_SECONDS)
            return JSONResponse({"error": "locked"}, 423, {"Retry-After": told})
        if PASSWORDS.get(user) != password:
            counted = user
            lets_in = "second bad login works" in self.on and self.failures[counted] == 1
            if "lockout by X-Forwarded-For" in self.on:
                counted = f"{user} from {request.headers.get('x-forwarded-for', 'here')}"
            self.failures[counted] += 1
            if "no security log" not in self.on:
                with self.log.open("a") as file:
                    file.write(f"bad login of {user}\n")
            if self.failures[counted] >= LOCK_AFTER:
                self.failures[counted] = 0
                self.locked[user] = self.now() + self.lock_seconds()
            return self.let_in(user) if lets_in else JSONResponse({"error": "wrong"}, 401)
        self.failures[user] = 0
        return self.let_in(user)

    def let_in(self, user: str) -> Response:
        """A session."""
        token = f"tok-{uuid.uuid4().hex}"
        self.tokens[token] = user
        return JSONResponse({"data": {"token": token}, "expires_in": 600})

    def caller(self, request: Request) -> str | None:
        return self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    def refusal(self) -> Response:
        if "refused by text" in self.on:
            return JSONResponse({"result": "you may not see this"})
        if "refused by redirect" in self.on:
            return RedirectResponse("/login-page", 302)
        return JSONResponse({"error": "not found"}, 404)

    def own(self, request: Request) -> str | Response:
        """The caller's tenant, or the refusal."""
        user = self.caller(request)
        if user is None:
            place = request.path_params.get("tenant_id")
            if "anybody adds" in self.on and request.method == "POST" and place in TENANT_OF.values():
                return str(place)
            return JSONResponse({"error": "unauthenticated"}, 401)
        tenant = TENANT_OF[user]
        if f"any tenant for {request.method}" in self.on:
            return tenant
        return tenant if request.path_params.get("tenant_id", tenant) == tenant else self.refusal()

    async def notes_of(self, request: Request) -> Response:
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        if request.method == "POST":
            try:
                text = str((await request.json())["text"])
            except (ValueError, KeyError, TypeError):
                return JSONResponse({"error": "invalid"}, 422)
            for late, said in self.later:
                late["text"] = said
            self.later.clear()
            place = request.path_params["tenant_id"] if "made where the path says" in self.on else tenant
            note = {"id": str(uuid.uuid4()), "tenant": place, "text": text, "stamp": uuid.uuid4().hex}
            self.notes[note["id"]] = note
            return JSONResponse(note, 201)
        return JSONResponse([one for one in self.notes.values() if one["tenant"] == tenant])

    async def note(self, request: Request) -> Response:
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        one = self.notes.get(request.path_params["note_id"])
        foreign = one is not None and one["tenant"] != tenant
        leak = f"foreign {request.method}" in self.on
        if one is None or (foreign and not leak):
            return self.refusal() if one is None else await self.foreign_note(request, tenant, one)
        if request.method == "PATCH":
            return await self.change(request, tenant, one)
        if request.method == "DELETE":
            if "delete never deletes" not in self.on:
                del self.notes[one["id"]]
            return JSONResponse({"deleted": True})
        self.reads += 1
        shown: dict[str, Any] = {"stamp": one["stamp"]} if foreign and "foreign text masked" in self.on else one
        if "notes are counted" in self.on:
            shown = {**shown, "of": sum(each["tenant"] == one["tenant"] for each in self.notes.values())}
        return JSONResponse({**shown, "reads": self.reads})

    async def change(self, request: Request, tenant: str, one: dict[str, str]) -> Response:
        try:
            said = await request.json()
            text = str(said["text"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "invalid"}, 422)
        named = said.get("note_id", one["id"]), said.get("tenant_id", tenant)
        if "notes name themselves" in self.on and named != (one["id"], tenant):
            return self.refusal()
        one["text"] = text
        return Response(status_code=204)

    async def foreign_note(self, request: Request, tenant: str, one: dict[str, str]) -> Response:
        """What somebody gets who asks for another tenant's note: a refusal, unless a trap is on."""
        if request.method == "PATCH" and "update hits the caller" in self.on:
            mine = next(each for each in self.notes.values() if each["tenant"] == tenant)
            mine["text"] = str((await request.json())["text"])
            return Response(status_code=204)
        if request.method == "DELETE" and "delete pretends" in self.on:
            return JSONResponse({"deleted": True})
        if request.method == "PATCH" and "refuses and does it" in self.on:
            one["text"] = str((await request.json())["text"])
        if request.method == "PATCH" and "refuses and does it later" in self.on:
            self.later.append((one, str((await request.json())["text"])))
        return self.refusal()

    async def search(self, request: Request) -> Response:
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        wanted = request.query_params.get("q", "")
        everyone = "search leaks" in self.on
        found = [one for one in self.notes.values() if wanted in one["text"] and (everyone or one["tenant"] == tenant)]
        return JSONResponse({"query": wanted, "found": found})

    async def index(self, request: Request) -> Response:
        """Shows the identifiers of a tenant's notes, and none of their text."""
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        if f"index empty for {tenant}" in self.on:
            return JSONResponse([])
        everyone = "index leaks" in self.on
        return JSONResponse([{"id": one["id"]} for one in self.notes.values() if everyone or one["tenant"] == tenant])

    async def history(self, request: Request) -> Response:
        """Takes the note in a query parameter; answers an empty list for one that is not there."""
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        one = self.notes.get(request.query_params.get("note_id", ""))
        ok = one is not None and (one["tenant"] == tenant or "foreign query" in self.on)
        return JSONResponse([{"was": one["text"]}] if ok and one else [])

    async def picked(self, request: Request) -> Response:
        """Takes the note in a header."""
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        one = self.notes.get(request.headers.get("x-note-id", ""))
        if one is None or (one["tenant"] != tenant and "foreign header" not in self.on):
            return self.refusal()
        return JSONResponse(one)

    async def links_of(self, request: Request) -> Response:
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        try:
            targets = [each["note_id"] for each in (await request.json())["targets"]]
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "invalid"}, 422)
        checked = "nested unchecked" not in self.on
        if checked and any(self.notes.get(each, {}).get("tenant") != tenant for each in targets):
            return self.refusal()
        link = {"id": str(uuid.uuid4()), "tenant": tenant, "targets": targets}
        self.links[str(link["id"])] = link
        return JSONResponse(link, 201)

    def shut(self, request: Request) -> Response | None:
        """What everybody gets, whoever they are, where a switch shuts the API."""
        open_to_all = {"/openapi.json"} | ({"/login"} if "login works" in self.on else set())
        for status in (403, 404):
            if f"{status} for everybody" in self.on and request.url.path not in open_to_all:
                return JSONResponse({"error": "no"}, status)
        return None

    # --- limits ----------------------------------------------------------------------------------------------------

    def too_many(self, request: Request) -> Response | None:
        """The limit: for each route and client, and for each route and account."""
        route = request.scope.get("route_path", request.url.path)
        client = request.client.host if request.client else "-"
        for header in ADDRESS_HEADERS:
            if f"limit by {header}" in self.on:
                client = request.headers.get(header, client)
        if "limit by spelling" not in self.on:
            route = "/".join(part for part in route.lower().split("/") if part)
        route = "/".join("*" if len(part) > 20 or part.startswith("upheld-") else part for part in route.split("/"))
        if ("search unlimited" in self.on and "search" in route) or (
            "only version 1 limited" in self.on and "v2/" in route
        ):
            return None
        # HEAD is GET without the body: counted apart, it would be a second budget.
        method = "GET" if request.method == "HEAD" and "limit by method" not in self.on else request.method
        keys = self.counted_for(self.caller(request), client, method, route)
        now, wait = time.monotonic(), 0.0
        for key in keys:
            if "address spent before" in self.on and key[0] == "client" and key not in self.windows:
                self.windows[key] = [now] * (self.limit - 2)  # as if others had just sent from there
            window = self.windows[key]
            # It ends when nothing came for that long, not by the time that a burst takes: on a busy machine one takes longer than this.
            stays = "home stays limited" in self.on and route == "home" and len(window) >= self.limit
            if window and window[-1] <= now - self.window_seconds and not stays:
                window.clear()
            if len(window) >= self.limit:
                wait = self.window_seconds
            else:
                window.append(now)
        if not wait:
            return None
        return self.limited()

    def counted_for(self, user: str | None, client: str, *operation: str) -> list[tuple[str, ...]]:
        """Whom the limit counts a request for."""
        if "one limit for all from an address" in self.on:
            return [("client", client)]
        if "limit by account at address" in self.on:
            return [("both", *operation, client, user or "")]
        keys = [("client", *operation, client)]
        if user and "limit by address only" not in self.on:
            keys.append(("account", *operation, user))
        return keys[-1:] if "limit by account or else address" in self.on else keys

    def limited(self) -> Response:
        """What a client gets who is limited."""
        if "limit as 200 text" in self.on:
            return Response("slow down", headers={"Retry-After": "1"}, media_type="text/plain")
        if "limit as 401 text" in self.on:
            return Response("slow down", 401, headers={"Retry-After": "1"}, media_type="text/plain")
        headers = {"Retry-After": "1"}
        if "no retry-after" in self.on:
            headers = {}
        if "zero retry-after" in self.on:
            headers = {"Retry-After": "0"}
        if "date retry-after" in self.on:
            # In whole seconds, and not before the window ends.
            moment = time.gmtime(time.time() + self.window_seconds + 1)
            headers = {"Retry-After": time.strftime("%a, %d %b %Y %H:%M:%S GMT", moment)}
        return JSONResponse({"error": "too many"}, 429, headers)

    def app(self) -> Any:
        inner = Starlette(
            routes=[
                Route("/openapi.json", self.document),
                Route("/home", self.home),
                Route("/v{version:int}/home", self.home),
                Route("/login", self.login, methods=["POST"]),
                Route("/t/{tenant_id}/notes", self.notes_of, methods=["GET", "POST"]),
                Route("/t/{tenant_id}/notes/{note_id}", self.note, methods=["GET", "PATCH", "DELETE"]),
                Route("/t/{tenant_id}/search", self.search),
                Route("/t/{tenant_id}/history", self.history),
                Route("/t/{tenant_id}/index", self.index),
                Route("/picked", self.picked),
                Route("/t/{tenant_id}/links", self.links_of, methods=["POST"]),
            ]
        )
        inner.router.redirect_slashes = False

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                request = Request(scope, receive)
                self.asked.append((request.method, request.url.path))
                if (shut := self.shut(request)) is not None:
                    await shut(scope, receive, send)
                    return
                limited = None if request.url.path == "/openapi.json" else self.too_many(request)
                if limited is not None:
                    await limited(scope, receive, send)
                    return
                if "limit by spelling" in self.on:  # The limiter sees the spelling, the router does not care.
                    parts = [part for part in scope["path"].split("/") if part]
                    fixed = [part if len(part) > 20 else part.lower() for part in parts]
                    scope = {**scope, "path": "/" + "/".join(fixed)}
            await inner(scope, receive, send)

        return outer

    @contextmanager
    def serving(self) -> Iterator[TwoTenants]:
        """Serve on a free loopback port for the block."""
        with serving(self.app()) as self.port:
            yield self

    def target(self, **api: Any) -> dict[str, Any]:
        """The target's parts that describe this server; `api` replaces parts of the API's description."""
        return {
            "endpoints": [{"name": "api", "url": f"http://127.0.0.1:{self.port}", "pages": [self.page]}],
            "vantage": {"source_addresses": [f"127.0.0.{number}" for number in range(2, 9)]},
            "logs": [{"name": "security", "path": str(self.log), "security": True}],
            "tenants": [{"name": tenant, "id": tenant} for tenant in dict.fromkeys(TENANT_OF.values())],
            "identities": [
                {
                    "name": user,
                    "tenant": tenant,
                    "role": "boss",
                    "login": "form",
                    "values": {"user": user},
                    "secrets": {"password": f"env:TEST_PASSWORD_{user.upper()}"},
                    "throwaway": user == "burn",
                }
                for user, tenant in TENANT_OF.items()
            ],
            "api": {
                "endpoint": "api",
                "openapi": "/openapi.json",
                "logins": {
                    "form": {
                        "path": "/login",
                        "json": {"user": "{user}", "password": "{password}"},
                        "token": "/data/token",
                    }
                },
                "limited": {"statuses": [429], "body": "slow down"},
                "refused": {"statuses": [401, 403, 404], "body": "may not see"},
                "parameters": {"note_id": "note", "X-Note-Id": "note"},
                "objects": {
                    "note": {
                        "create": "addNote",
                        "json": {"text": "{search} {canary}"},
                        "read": "getNote",
                        "delete": "deleteNote",
                    }
                },
                "operations": {
                    "search": {"query": {"q": "{search}"}},
                    "changeNote": {"json": {"text": "{search} {canary}"}},
                    "addLink": {"json": {"targets": [{"note_id": "{note}"}]}},
                },
                "acting_role": "boss",
                **api,
            },
        }


def secret_values() -> dict[str, str]:
    """The environment variables to which the target refers."""
    return {f"TEST_PASSWORD_{user.upper()}": password for user, password in PASSWORDS.items()}


def openapi(*, answers: bool = False) -> dict[str, Any]:
    """The OpenAPI document of the server; with `answers` it says what a note is that was made."""

    def path(name: str) -> dict[str, Any]:
        return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}

    def operation(identity: str, *parameters: dict[str, Any], body: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = {"operationId": identity, "parameters": list(parameters), "responses": {}}
        if body is not None:
            found["requestBody"] = {"content": {"application/json": {"schema": body}}}
        return found

    tenant, note = path("tenant_id"), path("note_id")
    text = {"$ref": "#/components/schemas/Text"}
    required = {"required": True, "schema": {"type": "string"}}
    shown = {"type": "object", "properties": {"id": {"type": "string"}, "text": {"type": "string"}}}
    note_made = {"201": {"content": {"application/json": {"schema": shown}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "notes", "version": "1"},
        "security": [{"bearer": []}],
        "paths": {
            "/login": {"post": {**operation("login", body={"$ref": "#/components/schemas/Login"}), "security": []}},
            "/t/{tenant_id}/notes": {
                "get": operation("listNotes", tenant),
                "post": {**operation("addNote", tenant, body=text), **({"responses": note_made} if answers else {})},
            },
            "/t/{tenant_id}/notes/{note_id}": {
                "get": operation("getNote", tenant, note),
                "patch": operation("changeNote", tenant, note, body=text),
                "delete": operation("deleteNote", tenant, note),
            },
            "/t/{tenant_id}/search": {"get": operation("search", tenant, {"name": "q", "in": "query", **required})},
            "/t/{tenant_id}/index": {"get": operation("index", tenant)},
            "/t/{tenant_id}/history": {
                "get": operation("history", tenant, {"name": "note_id", "in": "query", **required})
            },
            "/picked": {"get": operation("picked", {"name": "X-Note-Id", "in": "header", **required})},
            "/t/{tenant_id}/links": {"post": operation("addLink", tenant, body={"$ref": "#/components/schemas/Link"})},
        },
        "components": {
            "schemas": {
                "Text": {"type": "object", "properties": {"text": {"type": "string"}}},
                "Login": {
                    "type": "object",
                    "properties": {"user": {"type": "string"}, "password": {"type": "string"}},
                },
                "Link": {
                    "type": "object",
                    "properties": {"targets": {"type": "array", "items": {"$ref": "#/components/schemas/Target"}}},
                },
                "Target": {"type": "object", "properties": {"note_id": {"type": "string"}}},
            }
        },
    }
