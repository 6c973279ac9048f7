"""The small API with two tenants, strict about its input and with pages: sound unless a test switches defects or traps on."""

from __future__ import annotations

import copy
import html
import json
import re
import secrets
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from .two_tenants import PASSWORDS, TENANT_OF, TwoTenants, openapi

SHORT = {"type": "string", "minLength": 1, "maxLength": 400, "pattern": "^[^\\x00]*$"}
"""What a note and a search may be."""


class InputTenants(TwoTenants):
    """What `TwoTenants` serves, but for each request that its document forbids a 422; and pages for browsers under `/web`."""

    searches = 0

    async def document(self, _request: Request) -> Response:
        found = strict()
        if "errors undeclared" in self.on:
            for operation in (one for item in found["paths"].values() for one in item.values()):
                del operation["responses"]["4XX"]
        return JSONResponse(found)

    # --- the API ---------------------------------------------------------------------------------------------------

    def own(self, request: Request) -> str | Response:
        """As there; `strangers go to the login` and `strangers get 403` are other ways to answer them."""
        if request.url.path.endswith("/search") and "sessions end in mid run" in self.on:
            self.searches += 1
            if self.searches == 5:
                self.tokens.clear()
        found = super().own(request)
        if isinstance(found, Response) and found.status_code == 401:
            if "strangers go to the login" in self.on:
                return RedirectResponse("/web/login", 302)
            if "strangers get 403" in self.on:
                return JSONResponse({"error": "forbidden"}, 403)
        return found

    def _text(self, value: Any) -> str:
        """A text as the document has it; raises ValueError for any other."""
        if "500 on half a pair" in self.on and isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            raise RuntimeError("it cannot be encoded")
        if "lax texts" in self.on and not isinstance(value, str):
            return str(value)
        if (
            not isinstance(value, str)
            or not 1 <= len(value) <= 400
            or "\x00" in value
            or re.search("[\ud800-\udfff]", value)
        ):
            raise ValueError(value)
        return value

    async def _body(self, request: Request, *names: str) -> dict[str, Any]:
        """The body with these properties and no others; raises ValueError."""
        if "XML" in self.on and "xml" in request.headers.get("content-type", ""):
            return {"text": "".join(ET.fromstring(await request.body()).itertext())}
        if "json" not in request.headers.get("content-type", ""):
            raise ValueError("no JSON")
        body = await request.json()
        if not isinstance(body, dict) or not set(names) <= set(body):
            raise ValueError("not as described")
        if set(body) != set(names) and not {"mass assignment", "ignores the rest"} & self.on:
            raise ValueError("a property that nobody knows")
        return body

    async def login(self, request: Request) -> Response:
        try:
            body = await self._body(request, "user", "password")
            if not all(isinstance(one, str) for one in body.values()):
                raise ValueError("no texts")
        except ValueError:
            return JSONResponse({"error": "invalid"}, 401 if "login refuses all alike" in self.on else 422)
        return await super().login(request)

    async def notes_of(self, request: Request) -> Response:
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        if request.method != "POST":
            return await super().notes_of(request)
        try:
            body = await self._body(request, "text")
            note = {"id": secrets.token_hex(8), "tenant": tenant, "text": self._text(body["text"]), "owner": "nobody"}
        except ValueError:
            return JSONResponse({"error": "invalid"}, 422)
        return self._kept(note, body, 201)

    def _kept(self, note: dict[str, str], body: dict[str, Any], status: int) -> Response:
        if "template" in self.on:
            note["text"] = re.sub(r"\{\{(\d+)\*(\d+)\}\}", lambda m: str(int(m[1]) * int(m[2])), note["text"])
        if "mass assignment" in self.on:
            note.update({key: value for key, value in body.items() if key == "owner"})
        self.notes[note["id"]] = note
        return JSONResponse(note, status)

    async def note(self, request: Request) -> Response:
        one = self.notes.get(request.path_params["note_id"])
        tenant = self.own(request)
        if request.method != "PATCH" or one is None or one["tenant"] != tenant:
            return await super().note(request)
        try:
            body = await self._body(request, "text")
            one["text"] = self._text(body["text"])
        except ValueError:
            return JSONResponse({"error": "invalid"}, 422)
        return self._kept(one, body, 200)

    async def search(self, request: Request) -> Response:
        if "busy once" in self.on:
            self.on.remove("busy once")
            return JSONResponse({"error": "busy"}, 503)
        if "ends sessions once" in self.on:
            self.on.remove("ends sessions once")
            self.tokens.clear()
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        wanted = request.query_params.get("q", "")
        if "search broken" in self.on:
            return JSONResponse({"error": "no database"}, 500)
        if "500 on NUL" in self.on and "\x00" in wanted:
            raise RuntimeError("it cannot be stored")
        once = next((one for one in self.on if one.endswith(" on NUL once")), "")
        if once and "\x00" in wanted:
            self.on.remove(once)
            return JSONResponse({"error": "broken"}, int(once.partition(" ")[0]))
        if not wanted or len(wanted) > 400 or "\x00" in wanted:
            return JSONResponse({"error": "invalid"}, 422)
        found = [one for one in self.notes.values() if wanted in one["text"] and one["tenant"] == tenant]
        if "SQL" in self.on:
            found = self._selected(wanted, tenant)
        answer: dict[str, Any] = {"query": wanted, "found": found}
        if "never the same twice" in self.on:
            answer["served"] = secrets.token_hex(8)
        headers: dict[str, str] = {}
        if "header" in self.on and "\r\n" in wanted:
            name, _, value = wanted.partition("\r\n")[2].partition(": ")
            headers[name] = value
        if "path" in self.on and len(wanted) < 200 and Path(f"/srv/{wanted}").is_file():
            answer["file"] = Path(f"/srv/{wanted}").read_text()
        return JSONResponse(answer, headers=headers)

    def _selected(self, wanted: str, tenant: str) -> list[dict[str, str]]:
        """The notes as a database finds them whose statement is put together from texts."""
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE TABLE notes (id, tenant, text)")
            rows = [(one["id"], one["tenant"], one["text"]) for one in self.notes.values() if one["tenant"] == tenant]
            database.executemany("INSERT INTO notes VALUES (?, ?, ?)", rows)
            try:
                found = database.execute(f"SELECT id, text FROM notes WHERE text LIKE '%{wanted}%'").fetchall()
            except sqlite3.Error:
                found = []  # What an application does that hides its errors.
        return [{"id": key, "text": text} for key, text in found]

    async def history(self, request: Request) -> Response:
        if not isinstance(tenant := self.own(request), str):
            return tenant
        if not request.query_params.get("note_id"):
            return JSONResponse({"error": "invalid"}, 422)
        return await super().history(request)

    async def links_of(self, request: Request) -> Response:
        tenant = self.own(request)
        if isinstance(tenant, Response):
            return tenant
        try:
            body = await self._body(request, "targets")
            if not isinstance(body["targets"], list):
                raise ValueError("no list")
            for one in body["targets"]:
                if not isinstance(one, dict) or not isinstance(one.get("note_id"), str):
                    raise ValueError("no note")
        except ValueError:
            return JSONResponse({"error": "invalid"}, 422)
        return await super().links_of(request)

    # --- the pages -------------------------------------------------------------------------------------------------

    def _escaped(self, text: str, switch: str) -> str:
        return text if switch in self.on else html.escape(text)

    async def web_login(self, request: Request) -> Response:
        if request.method == "POST":
            fields = dict(part.split("=", 1) for part in (await request.body()).decode().split("&"))
            if fields.get("csrf") != "c5rf" or fields.get("password") != PASSWORDS["ada"]:
                return HTMLResponse("wrong", 403)
            answer = RedirectResponse("/web/notes", 303)
            answer.set_cookie("sid", "session-of-ada", httponly=True)
            return answer
        shown = self._escaped(request.query_params.get("user", ""), "raw echo")
        status = 500 if shown and "login breaks when filled in" in self.on else 200
        if shown and "login refuses to be filled in" in self.on:
            return HTMLResponse("<title>login</title>no such name", 400)
        if "login forgets what was filled in" in self.on:
            shown = ""
        return HTMLResponse(
            f'<title>login</title><form action="/web/login" method="post"><input name="csrf" value="c5rf">'
            f'<input name="user" value="{shown}"><input name="password" type="password"></form>',
            status,
        )

    async def web_notes(self, request: Request) -> Response:
        if request.cookies.get("sid") != "session-of-ada":
            return RedirectResponse("/web/login", 303)
        notes = [one["text"] for one in self.notes.values() if one["tenant"] == TENANT_OF["ada"]]
        if "shows nothing" in self.on:
            notes = []
        if request.url.path.endswith(".json"):
            return Response(
                json.dumps(notes), media_type="text/html" if "data as html" in self.on else "application/json"
            )
        items = "".join(f"<li>{self._escaped(one, 'raw notes')}</li>" for one in notes)
        headers = {"content-security-policy": "script-src 'none'"} if "strict policy" in self.on else {}
        return HTMLResponse(
            f'<title>notes</title><ul>{items}</ul><img src="https://elsewhere.example/x.png">', headers=headers
        )

    def app(self) -> Any:
        inner = super().app()
        pages = [
            Route("/login", self.web_login, methods=["GET", "POST"]),
            Route("/notes", self.web_notes),
            Route("/notes.json", self.web_notes),
        ]
        whole = Starlette(routes=[Mount("/web", routes=pages), Mount("/", app=inner)])

        async def labelled(scope: Any, receive: Any, send: Any) -> None:
            async def send_labelled(message: Any) -> None:
                if message["type"] == "http.response.start" and "may be guessed" not in self.on:
                    message = {**message, "headers": [*message["headers"], (b"x-content-type-options", b"nosniff")]}
                if (
                    message["type"] == "http.response.start"
                    and "errors as html" in self.on
                    and message["status"] >= 400
                ):
                    kept = [one for one in message["headers"] if one[0] != b"content-type"]
                    message = {**message, "headers": [*kept, (b"content-type", b"text/html")]}
                await send(message)

            await whole(scope, receive, send_labelled)

        return labelled

    def target(self, **api: Any) -> dict[str, Any]:
        """As for `TwoTenants`, with what browsers are served."""
        login = {
            "page": "/web/login",
            "fields": {"user": "{user}", "password": "{password}"},
            "hidden": ["csrf"],
        }
        return {
            **super().target(**api),
            "browsing": {
                "endpoint": "api",
                "identity": "ada",
                "login": login,
                "pages": ["/web/notes?of={note}"],
                "data": ["/web/notes.json"],
                "echoes": [{"page": "/web/login", "parameter": "user"}],
                "stores": ["note"],
            },
        }


def strict() -> dict[str, Any]:
    """The OpenAPI document of the server: that of `TwoTenants`, and what its input must be like."""
    document = copy.deepcopy(openapi())
    schemas = document["components"]["schemas"]
    for name, properties in (("Text", {"text": SHORT}), ("Login", None), ("Link", None), ("Target", None)):
        schemas[name]["properties"] = properties or schemas[name]["properties"]
        schemas[name]["required"] = list(schemas[name]["properties"])
        if name != "Target":
            schemas[name]["additionalProperties"] = False
    error = {"content": {"application/json": {}}}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operation["responses"] = {"2XX": error, "4XX": error}
            for one in operation["parameters"]:
                if (path, one["name"]) == ("/t/{tenant_id}/search", "q"):
                    one["schema"] = SHORT
            assert method
    return document
