"""The check of changed staff accounts against a real small console that changes roles and disables accounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue

from ..staff_console import PEOPLE, ROLES, StaffConsole, openapi, secret_values
from ..two_tenants import TwoTenants

CHECK = Catalogue.load(Path(__file__).parents[2] / "checks")["sessions.changed_staff_accounts_lose_access_at_once"]
MAY = {**ROLES, **dict.fromkeys(("giveRole", "turnOff", "turnOn"), ("security",))}
CHANGE = {"kind": "account", "change": "giveRole", "disable": "turnOff", "enable": "turnOn"}


class ChangingConsole(StaffConsole):
    """A console whose accounts can be changed, and whose sessions may not notice."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.roles = dict(PEOPLE)

    async def document(self, _request: Request) -> Response:
        found = openapi()
        body = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
        for name, where, more in (("giveRole", "role", body), ("turnOff", "disable", {}), ("turnOn", "enable", {})):
            found["paths"][f"/people/{{account_id}}/{where}"] = {"post": {"operationId": name, "responses": {}, **more}}
        return JSONResponse(found)

    def guarded(self, name: str, work: Callable[[Request, str], Any], target: Callable[[Request], str]) -> Any:
        async def serve(request: Request) -> Response:
            user = self.sessions.get(request.headers.get("authorization", "").removeprefix("Bearer "))
            if user is None or (user in self.disabled and "disabled goes on" not in self.on):
                return JSONResponse({}, 401)
            role = PEOPLE[user] if "old role" in self.on else self.roles[user]
            return JSONResponse({}, 403) if role not in MAY[name] else JSONResponse((await work(request, user))[0])

        return serve

    async def give_role(self, request: Request, _user: str) -> Any:
        self.roles[request.path_params["account_id"]] = (await request.json())["role"]
        return ({},)

    async def turn_off(self, request: Request, _user: str) -> Any:
        self.disabled.add(request.path_params["account_id"])
        return ({},)

    async def turn_on(self, request: Request, _user: str) -> Any:
        self.disabled.discard(request.path_params["account_id"])
        return ({},)

    def app(self) -> Starlette:
        app = super().app()
        for name, where, work in (
            ("giveRole", "role", self.give_role),
            ("turnOff", "disable", self.turn_off),
            ("turnOn", "enable", self.turn_on),
        ):
            serve = self.guarded(name, work, lambda _: "account")
            app.router.routes.append(Route(f"/people/{{account_id}}/{where}", serve, methods=["POST"]))
        return app


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[list[Any], ChangingConsole]]:
    def call(*switches: str, throwaway: str = "ann", **staff: Any) -> tuple[list[Any], ChangingConsole]:
        with TwoTenants(tmp_path / "security.log").serving() as notes:
            console = ChangingConsole(notes, tmp_path / "mail", *switches)
            with console.serving():
                target = console.target(**{"roles": MAY, "role_change": CHANGE, **staff})
                api = target["staff"]["api"]
                api["operations"] = {**api["operations"], "giveRole": {"json": {"role": "{role}"}}}
                for one in target["staff"]["identities"]:
                    one["throwaway"] = one["name"] == throwaway
                session = session_of(secret_values=secret_values(), **target)
                with session.recording("t"):
                    found = list(CHECK.function(*(session.probe(kind) for kind in CHECK.probes.values())))
        return found, console

    return call


def failed(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def test_a_sound_console_passes_and_is_left_as_it_was(run: Any) -> None:
    found, console = run()
    assert failed(found) == []
    assert len([one for one in found if isinstance(one, Finding)]) == 2, found
    assert not any(isinstance(one, NotObserved) for one in found), found
    assert console.roles == PEOPLE
    assert console.disabled == set()


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        ("old role", "is now support: answered 200, as before"),
        ("disabled goes on", "is disabled: answered 200, as before"),
    ],
)
def test_a_session_that_keeps_its_rights_is_found(run: Any, switch: str, words: str) -> None:
    found, console = run(switch)
    assert any(words in one for one in failed(found)), found
    assert console.roles == PEOPLE
    assert console.disabled == set()


def test_whoever_cannot_be_changed_is_not_seen(run: Any) -> None:
    with pytest.raises(Unobservable, match="no throw-away identity of staff"):
        run(throwaway="burn1")
    with pytest.raises(Unobservable, match="how an account of staff is changed"):
        run(role_change=None)
