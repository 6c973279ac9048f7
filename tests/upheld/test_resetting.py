"""Putting a whole deployment back, by a request to a real server and by real programs, and whatever can go wrong with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from tests.staff_console import PEOPLE, StaffConsole
from tests.staff_console import secret_values as staff_secrets
from tests.two_tenants import TwoTenants, secret_values

from processes import COMMAND, inside
from upheld.cleaning import clean, leftovers
from upheld.errors import InputError
from upheld.probes.planted import Journal, Planted
from upheld.state import journal_folder
from upheld.target.load import load_target

TOKEN = "correct-reset-token-9"
SEED = {"id": "7", "tenant": "red", "text": "the seed", "stamp": ""}
BY_TOKEN = {
    "endpoint": "api", "path": "/testing/reset", "headers": {"X-Reset": "Token {token}"}, "secrets": {"token": "env:RESET_TOKEN"},
}  # fmt: skip
PLANTS = '''

from upheld.probes.api import Api


@check(basis=OBSERVED, intrusive=True)
def plants(api: Api) -> Iterator[Finding]:
    """Something can be planted."""
    api.plant("red")
    yield Finding("planting", passed=True, expected="", observed="")
'''


class Seeded(TwoTenants):
    """Can be put back to its seed by whoever is logged in or has the token; `how` says what goes wrong with that."""

    how = ""
    begun = resets = sick = 0

    def app(self) -> Any:
        inner = super().app()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] in {"/testing/reset", "/health"}:
                request = Request(scope, receive)
                self.asked.append((request.method, scope["path"]))
                answer = await (self.health() if scope["path"] == "/health" else self.reset(request))
                await answer(scope, receive, send)
            else:
                await inner(scope, receive, send)

        return app

    async def health(self) -> Response:
        self.sick -= 1
        if self.sick >= 0:
            return JSONResponse({"status": "starting"}, 503 if self.sick % 2 else 200)
        return JSONResponse({"status": "ready", "checks": 3})

    async def reset(self, request: Request) -> Response:
        self.begun += 1
        if self.caller(request) is None and request.headers.get("x-reset") != f"Token {TOKEN}":
            return JSONResponse({"error": "no"}, 403)
        if self.how == "hangs":
            self.notes = {"7": SEED}
            while self.how == "hangs":
                await asyncio.sleep(0.02)
        if self.how == "elsewhere":
            return RedirectResponse("http://127.0.0.1:9/other", 302)
        if self.how == "breaks":
            return PlainTextResponse(f"no database, said {request.headers['x-reset']}", 500)
        if self.how == "not all":
            return JSONResponse({"done": False, "tables": [{"left": 3}]})
        self.notes = {"7": SEED}
        self.resets += 1
        return JSONResponse({"done": True, "tables": [{"left": 0}]})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seeded]:
    for name, value in {**secret_values(), "RESET_TOKEN": TOKEN, "UPHELD_STATE": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    with Seeded(tmp_path / "security.log").serving() as one:
        assert isinstance(one, Seeded)
        yield one


def described(folder: Path, parts: dict[str, Any], reset: dict[str, Any] | None, **more: Any) -> Path:
    path = folder / "target.yaml"
    whole = {"upheld": "target/1", "name": "seeded", "environment": "staging", **parts, **more}
    if reset is not None:
        whole["reset"] = {"state": "the seed", **reset}
    path.write_text(yaml.safe_dump(whole))
    return path


def crashed(target: Path, folder: Path, *planted: Planted) -> Path:
    """As a killed run leaves it; gives the folder of its journal."""
    kept = journal_folder(load_target(target)[0], folder / "state")
    journal = Journal(kept, target="seeded", durable=True)
    for one in planted:
        journal.about(one)
    journal.close()
    return kept


NOTE = Planted("object", "a note made by addNote", "api", "addNote", "ada", {"tenant": "red"}, kind="note", id="7")
MAIL = Planted("left", "an e-mail")


@pytest.mark.parametrize("request_", [BY_TOKEN, {"endpoint": "api", "path": "/testing/reset", "identity": "ada"}])
def test_a_deployment_is_reset_when_that_is_asked_for(server: Seeded, tmp_path: Path, request_: dict[str, Any]) -> None:
    ready = {"endpoint": "api", "path": "/health", "holds": {"$.status": "ready", "$.checks": 3}}
    shows = {"holds": {"$.done": True, "$.tables[0].left": 0}, "text": "left.*0"}
    target = described(tmp_path, server.target(), {"request": {**request_, **shows}, "ready": ready})
    folder = crashed(target, tmp_path, MAIL, Planted("object", "a note", "api", "addNote", "ada", {"tenant": "red"}, kind="note", id="8"))  # fmt: skip
    server.notes = {"8": {**SEED, "id": "8"}, "9": {**SEED, "id": "9"}}

    listed = inside(tmp_path, "clean", "--target", "target.yaml", "--list", "--reset")
    who = " as ada" if "identity" in request_ else ""
    offer = f"upheld clean --target target.yaml --reset puts the whole deployment back by POST /testing/reset at api{who}: the seed"
    assert listed.stdout.splitlines()[-1] == f"a reset is described: {offer}"
    assert (listed.returncode, server.asked) == (3, [])

    plain = inside(tmp_path, "clean", "--target", "target.yaml")
    assert plain.returncode == 3
    assert plain.stdout.splitlines()[-2:] == ["1 undone, 1 left", offer]
    assert server.begun == 0

    server.sick = 3
    whole = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
    assert whole.stdout.splitlines() == [
        "could not be undone  an e-mail: the target names no way to undo it",
        "0 undone, 1 left",
        "reset  POST /testing/reset answered 200, and GET /health answers 200; the state is: the seed",
        "1 that could not be undone are named no more: what they were called may be something else now",
    ]
    assert (whole.returncode, server.notes, server.resets) == (0, {"7": SEED}, 1)
    assert leftovers(folder) == ()
    again = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
    assert again.stdout.splitlines()[0] == "nothing is left behind"
    assert (again.returncode, server.resets) == (0, 2)


def test_an_account_of_staff_may_reset_too_with_its_second_factor(
    server: Seeded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in staff_secrets().items():
        monkeypatch.setenv(name, value)
    with StaffConsole(server, tmp_path / "mail").serving() as console:
        name = next(iter(PEOPLE))
        request = {"endpoint": "staff", "path": "/me", "method": "GET", "staff": name, "text": name}
        described(tmp_path, console.target(), {"request": request})
        done = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "reset  GET /me answered 200; the state is: the seed")


@pytest.mark.parametrize(
    ("how", "request_", "ready", "words"),
    [
        ("breaks", {}, {}, "POST /testing/reset answered 500"),
        ("elsewhere", {}, {}, "POST /testing/reset answered 302"),
        ("hangs", {"within_seconds": 0.3}, {}, "within 0.3 s"),
        ("not all", {"holds": {"$.done": True}}, {}, "its answer does not have True at $.done"),
        ("not all", {"holds": {"$.nothing": 1}}, {}, "$.nothing matches nothing in the answer"),
        ("not all", {"text": "all .* done"}, {}, "its answer does not show 'all .* done'"),
        ("", {"statuses": [204]}, {}, "POST /testing/reset answered 200"),
        ("", {"holds": {"$.done": 1}}, {}, "does not have 1 at $.done"),
        ("", {}, {"path": "/health", "holds": {"$.status": "well"}}, "did not answer as it should within 1 s: its answer"),
        ("", {}, {"path": "/nowhere"}, "did not answer as it should within 1 s: it answered 404"),
    ],
)  # fmt: skip
def test_a_reset_that_fails_or_is_unclear_leaves_an_unknown_state(
    server: Seeded, tmp_path: Path, how: str, request_: dict[str, Any], ready: dict[str, Any], words: str
) -> None:
    server.how = how
    reset: dict[str, Any] = {"request": {**BY_TOKEN, **request_}}
    if ready:
        reset["ready"] = {"endpoint": "api", "within_seconds": 1, **ready}
    target = described(tmp_path, server.target(), reset)
    folder = crashed(target, tmp_path, MAIL)
    done = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
    assert done.returncode == 3
    assert "reset failed, or was not seen to work" in done.stdout
    assert words in done.stdout
    assert "the state of the deployment is unknown" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    # What is left has no identifier any more by which it could be undone: it may be something of the seed.
    (one,) = clean(target, folder)
    assert one.said == "a reset was begun since, so that what it was called may be something else by now"
    server.how = ""
    described(tmp_path, server.target(), {"request": BY_TOKEN})
    assert inside(tmp_path, "clean", "--target", "target.yaml", "--reset").returncode == 0
    assert leftovers(folder) == ()


def test_what_stands_in_the_way_before_a_reset_leaves_everything_as_it_was(
    server: Seeded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PASSWORD_BOB", "a wrong one")

    def not_reset(parts: dict[str, Any], reset: dict[str, Any], words: str, **more: Any) -> None:
        folder = crashed(described(tmp_path, parts, reset, **more), tmp_path, MAIL)
        done = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
        assert (done.returncode, server.begun) == (3, 0)
        assert "not reset  nothing was sent or run for it" in done.stdout
        assert words in done.stdout
        (one,) = clean(tmp_path / "target.yaml", folder, forget=True)
        assert one.said == "the target names no way to undo it"

    parts = server.target()
    lacking = {**BY_TOKEN, "secrets": {"token": "env:NOT_THERE_AT_ALL"}}
    not_reset(parts, {"request": lacking}, "has no variable NOT_THERE_AT_ALL")
    by_bob = {"endpoint": "api", "path": "/testing/reset", "identity": "bob"}
    not_reset(parts, {"request": by_bob}, "the login of bob was refused")
    not_reset(
        parts, {"request": {**BY_TOKEN, "json": {"a": "{unknown}"}}}, "nothing is known to put in place of {unknown}"
    )
    moved = [{"name": "api", "url": f"http://localhost:{server.port}"}]
    asked = len(server.asked)
    not_reset(
        {**parts, "endpoints": moved}, {"request": BY_TOKEN}, "in none of the networks", networks=["192.0.2.0/24"]
    )
    not_reset(parts, {"command": {"run": ["no-such-program-here"]}}, "no-such-program-here cannot be run")
    not_reset(parts, {"command": {"run": ["true"], "folder": "nowhere"}}, "is not there")
    assert len(server.asked) == asked


def test_production_is_never_reset_and_nothing_is_without_a_description(server: Seeded, tmp_path: Path) -> None:
    for reset, environment, words in (
        ({"request": BY_TOKEN}, "production", "the target is in production, which is never reset"),
        (None, "staging", "the target does not say how it is reset"),
    ):
        target = described(tmp_path, server.target(), reset, environment=environment)
        folder = crashed(target, tmp_path, NOTE)
        server.notes = {"7": SEED}
        done = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
        assert done.returncode == 2
        assert words in done.stderr
        assert (server.asked, server.notes) == ([], {"7": SEED})
        with pytest.raises(InputError):
            list(clean(target, folder, reset=True))
    live = described(tmp_path, server.target(), {"request": BY_TOKEN}, environment="production")
    crashed(live, tmp_path, MAIL)
    assert "a reset is described, and not done: the target is in production" in inside(tmp_path, "clean", "--target", "target.yaml", "--list").stdout  # fmt: skip
    assert "--reset" not in inside(tmp_path, "clean", "--target", "target.yaml").stdout


def test_a_run_at_work_is_not_taken_its_deployment_away(server: Seeded, tmp_path: Path) -> None:
    target = described(tmp_path, server.target(), {"request": BY_TOKEN})
    journal = Journal(journal_folder(load_target(target)[0], tmp_path / "state"))
    note = journal.about(MAIL)
    done = inside(tmp_path, "clean", "--target", "target.yaml", "--reset")
    assert (done.returncode, server.begun) == (3, 0)
    assert "a run is at work, which would lose what it looks at" in done.stdout
    note.gone()
    assert inside(tmp_path, "clean", "--target", "target.yaml", "--reset").returncode == 0


def test_after_a_reset_that_was_killed_nothing_is_undone_by_an_old_name(server: Seeded, tmp_path: Path) -> None:
    """The reset made a note of the seed with the number that the planted one had had; it must not be deleted for that one."""
    server.how = "hangs"
    target = described(tmp_path, server.target(), {"request": BY_TOKEN})
    folder = crashed(target, tmp_path, NOTE)
    server.on.add("delete never deletes")
    server.notes = {"7": {**SEED, "text": "planted"}}
    with subprocess.Popen(
        [*COMMAND, "clean", "--target", "target.yaml", "--reset"], cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as process:
        until(lambda: server.begun or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    server.how = ""
    server.on.clear()
    (one,) = clean(target, folder)
    assert "a reset was begun since" in one.said
    assert server.notes == {"7": SEED}


# --- programs ----------------------------------------------------------------------------------------------------------


def by_command(where: Path, script: str, **more: Any) -> subprocess.CompletedProcess[str]:
    (where / more.get("folder", "") / "reset.py").write_text(f"import os, pathlib, subprocess, sys, time\n{script}")
    described(where, {}, {"command": {"run": [sys.executable, "reset.py", "a b", "$HOME;x"], **more}})
    return inside(where, "clean", "--target", "target.yaml", "--state", str(where / "state"), "--reset")


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


STARTS = """
assert sys.argv[1:] == ["a b", "$HOME;x"] and pathlib.Path.cwd().name == "deploy" and not sys.stdin.read()
later = "while not pathlib.Path('go').exists(): time.sleep(0.02)"
later = f"import pathlib, time\\n{later}\\nprint('x' * 9_999_999, flush=True)\\npathlib.Path('went').touch()"
subprocess.Popen([sys.executable, "-c", later])
pathlib.Path("said").write_text(os.environ["SEEDING"])
print('{"seeded": 4}')
"""


def test_a_program_is_run_as_it_is_described_and_what_it_starts_is_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESET_TOKEN", TOKEN)
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    more = {"folder": "deploy", "environment": {"SEEDING": "env:RESET_TOKEN"}, "holds": {"$.seeded": 4}}
    done = by_command(tmp_path, STARTS, **more, text='"seeded"')
    assert f"reset  {sys.executable} ended with 0; the state is: the seed" in done.stdout
    assert (done.returncode, (deploy / "said").read_text()) == (0, TOKEN)
    (deploy / "go").touch()
    until((deploy / "went").exists)


@pytest.mark.parametrize(
    ("script", "more", "words"),
    [
        ("sys.exit('no database')", {}, "ended with 1: no database"),
        ("print('\\x1b[2J' + os.environ['SEEDING']); sys.exit(3)", {}, "ended with 3: \\x1b[2J[redacted"),
        ("sys.exit(0)", {"exit_codes": [3]}, "ended with 0"),
        ("print('no')", {"text": "seeded"}, "its output does not show 'seeded'"),
        ("print('no')", {"holds": {"$.a": 1}}, "printed what is no JSON"),
        ("print('x' * 70_000)", {"holds": {"$.a": 1}}, "printed more than 64 KiB"),
        ("time.sleep(60)", {"within_seconds": 0.5}, "did not end within 0.5 s, and was stopped"),
    ],
)  # fmt: skip
def test_a_program_that_does_not_do_it_leaves_an_unknown_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, more: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("RESET_TOKEN", TOKEN)
    done = by_command(tmp_path, script, environment={"SEEDING": "env:RESET_TOKEN"}, **more)
    assert done.returncode == 3
    assert words in done.stdout
    assert "the state of the deployment is unknown" in done.stdout
    assert TOKEN not in done.stdout
    assert "\x1b" not in done.stdout


def test_a_program_that_is_stopped_takes_what_it_started_with_it(tmp_path: Path) -> None:
    script = "child = subprocess.Popen(['sleep', '600'])\npathlib.Path('child').write_text(str(child.pid))\n"
    done = by_command(tmp_path, f"{script}while True: sys.stdout.write('x' * 1_000_000)")
    assert "printed more than 64 MiB, and was stopped" in done.stdout
    child = Path(f"/proc/{(tmp_path / 'child').read_text()}/stat")
    until(lambda: not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z")


# --- what users read ---------------------------------------------------------------------------------------------------


def test_a_run_that_could_not_undo_what_it_planted_names_the_reset(project: Any, server: Seeded) -> None:
    with (project.folder / "checks" / "own.py").open("a") as file:
        file.write(PLANTS)
    project.claims(("planted", "own.plants"))
    parts = server.target()
    del parts["api"]["objects"]["note"]["delete"]
    described(project.folder, parts, {"request": BY_TOKEN})
    done = project.upheld("run", "--target", "target.yaml", "-n", "0", **os.environ)
    assert "this run left 1 thing behind in the target" in done.stdout
    assert "upheld clean --target target.yaml --reset puts the whole deployment back by POST /testing/reset at api" in done.stdout  # fmt: skip
    assert server.begun == 0
    assert project.upheld("clean", "--target", "target.yaml", "--reset", **os.environ).returncode == 0
    assert server.notes == {"7": SEED}


@pytest.mark.parametrize(
    ("reset", "words"),
    [
        ({"request": {**BY_TOKEN, "endpoint": "apy"}}, "no endpoint is called 'apy'; did you mean 'api'?"),
        ({"request": {**BY_TOKEN, "identity": "adda"}}, "no identity is called 'adda'; did you mean 'ada'?"),
        ({"request": {**BY_TOKEN, "staff": "boss"}}, "no staff identity is called 'boss'"),
        ({"request": BY_TOKEN, "ready": {"endpoint": "web"}}, "no endpoint is called 'web'"),
        ({"request": {**BY_TOKEN, "holds": {"$.a[": 1}}}, "no JSONPath query"),
        ({"request": {**BY_TOKEN, "holds": {"/a": 1}}}, "a JSONPath query (RFC 9535), which begins with $"),
        ({"request": {**BY_TOKEN, "text": "(a"}}, "no regular expression"),
        ({"request": {**BY_TOKEN, "json": {}, "form": {}}}, "json or form, not both"),
        ({"request": {**BY_TOKEN, "identity": "ada", "staff": "ada"}}, "not both"),
        ({"request": {**BY_TOKEN, "headers": {"Authorization": "Bearer abc"}}}, "needs a placeholder"),
        ({"request": {**BY_TOKEN, "headers": {"X-Token": "abc"}}}, "a secret must be a placeholder"),
        ({"request": {**BY_TOKEN, "secrets": {"token": "abc"}}}, "a secret must be a reference"),
        ({"request": {**BY_TOKEN, "path": "testing/reset"}}, "reset.request.path"),
        ({"request": BY_TOKEN, "command": {"run": ["x"]}}, "either a request or a command"),
        ({}, "either a request or a command"),
        ({"command": {"run": []}}, "reset.command.run"),
    ],
)
def test_a_reset_that_cannot_be_is_a_mistake_with_its_line(
    server: Seeded, tmp_path: Path, reset: dict[str, Any], words: str
) -> None:
    target = described(tmp_path, server.target(), reset)
    with pytest.raises(InputError) as caught:
        load_target(target)
    first = target.read_text().splitlines().index("reset:") + 1
    said = [str(one) for one in caught.value.mistakes]
    assert any(words in one for one in said), said
    assert all(one.line >= first for one in caught.value.mistakes)
    assert not any("abc" in one for one in said)
