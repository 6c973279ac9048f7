"""No webhook leads inside, however it is spelled, and no database role reads past its workspace."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from receivers import PORT, Receiver, fresh_name, give, receiver, trusted
from upheld_reference.network.guard import Guard, UrlRefusedError
from upheld_reference.network.zone import Resolver

INSIDE = "127.81.13.7"
PUBLIC = "127.80.0.0/16"
CASES = [
    tuple(line.split(" ", 1))
    for line in Path(__file__)
    .parents[1]
    .joinpath("data", "ssrf-spellings.txt")
    .read_text(encoding="utf-8")
    .splitlines()
    if line and not line.startswith("#")
]
"""Kind and value of every line of the file, which says what they mean and where they are from."""
_REDIRECT = "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def values(kind: str) -> list[str]:
    return [value for found, value in CASES if found == kind]


def reaches_the_listener(kind: str, value: str) -> bool:
    """Whether a platform without a guard would come to the listener inside, and nowhere outside of this host."""
    if kind == "url":
        host = re.sub(r"https://|:8443/$", "", value)
        with contextlib.suppress(OSError, UnicodeEncodeError):
            return socket.inet_ntoa(socket.inet_aton(host)) == INSIDE
        return False
    return INSIDE in value


class Webhooks:
    """Webhooks of acme with secrets, whose URLs are then set in the database as if nobody had ever looked at them."""

    def __init__(self, rivet: Any, count: int) -> None:
        self.rivet = rivet
        self.path = rivet.path("acme", "/webhooks")
        body = {"url": f"https://{fresh_name()}/"}
        created = [rivet.call("POST", self.path, "acme-owner", json=body).json() for _ in range(count)]
        self.ids = [webhook["id"] for webhook in created]

    def outcomes(self, urls: Sequence[str]) -> list[set[str | None]]:
        """Why the attempts to deliver to each URL failed, once all are over; a message is what they are told of."""
        ids = self.ids[: len(urls)]
        with psycopg.connect(self.rivet.postgres("superuser"), autocommit=True) as db:
            db.execute("DELETE FROM app.webhook_deliveries WHERE webhook_id = ANY(%s)", [self.ids])
            unused = [f"https://{fresh_name()}/"] * (len(self.ids) - len(urls))
            for id_, url in zip(self.ids, [*urls, *unused], strict=True):
                db.execute("UPDATE app.webhooks SET url = %s WHERE id = %s", [url, id_])
            body = {"conversation_id": self.rivet.workspace("acme")["objects"]["conversations"][0], "text": "told"}
            assert (
                self.rivet.call("POST", self.rivet.path("acme", "/messages"), "acme-owner", json=body).status_code
                == 201
            )
            query = "SELECT webhook_id::text, status, attempts FROM app.webhook_deliveries WHERE webhook_id = ANY(%s)"
            while True:
                found = db.execute(query, [self.ids]).fetchall()
                if len(found) == len(self.ids) and all(status != "pending" for _, status, _ in found):
                    break
                time.sleep(0.1)
        errors = {id_: {attempt["error"] for attempt in attempts} for id_, _, attempts in found}
        return [errors[id_] for id_ in ids]

    def remove(self) -> None:
        with psycopg.connect(self.rivet.postgres("superuser"), autocommit=True) as db:
            db.execute("DELETE FROM app.webhooks WHERE id = ANY(%s)", [self.ids])


def named(rivet: Any, *answers: str) -> str:
    """The URL of a new name that resolves to ``answers``, one after the other."""
    name = fresh_name()
    give(rivet.facts, name, *answers)
    return f"https://{name}:{PORT}/"


@contextlib.contextmanager
def listening_inside(rivet: Any) -> Iterator[list[Receiver]]:
    """Listeners on addresses inside, where whatever comes is recorded."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(Receiver(INSIDE, trusted(rivet.facts)))]
        with contextlib.suppress(OSError):  # a host without IPv6, or one where somebody listens there
            running.append(stack.enter_context(Receiver("::1", trusted(rivet.facts))))
        yield running


def inside_violations(rivet: Any, *, every: bool) -> set[str]:
    """The kinds of cases by which a delivery comes to a listener inside; either ``every`` case or those that must not be missed.

    A platform that a case could lead elsewhere than to the listener is not tried with it: that would leave this host.
    """
    cases = [case for case in CASES if every or reaches_the_listener(*case)]
    found = set()
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(listening_inside(rivet))
        kinds = {
            "url": [value for kind, value in cases if kind == "url" and value.startswith("https://")],
            "name": [named(rivet, value) for kind, value in cases if kind == "name"],
            "turn": [named(rivet, *value.split("/")) for kind, value in cases if kind == "turn"],
            "redirect": [],
        }
        for kind, value in cases:
            if kind == "redirect":
                name, _ = stack.enter_context(receiver(rivet, answer=_REDIRECT.format(value).encode()))
                kinds["redirect"].append(f"https://{name}:{PORT}/")
        hooks = Webhooks(rivet, max(map(len, kinds.values())))
        stack.callback(hooks.remove)
        for kind, urls in kinds.items():
            before = sum(listener.contacts for listener in inside)
            errors = hooks.outcomes(urls)
            if sum(listener.contacts for listener in inside) > before:
                found.add(kind)
            elif kind == "turn":
                assert all("address refused" in one for one in errors)
            else:
                expected = "redirected" if kind == "redirect" else "address refused"
                assert dict(zip(urls, errors, strict=True)) == {url: {expected} for url in urls}
    return found


def role_violations(rivet: Any) -> set[str]:
    """Tables of which a role that all workspaces share sees more than the rows of the one that is set."""
    found = set()
    acme = rivet.workspace("acme")["id"]
    query = """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r' AND a.attname = 'workspace_id'
            AND has_column_privilege(%s, c.oid, a.attnum, 'SELECT')
    """
    for role in ("application", "worker"):
        with psycopg.connect(rivet.postgres(role), autocommit=True) as db:
            tables = [row[0] for row in db.execute(query, [f"rivet_{role}"]).fetchall()]
            assert "webhooks" in tables
            for workspace in ("", acme):
                db.execute("SELECT set_config('rivet.workspace_id', %s, false)", [workspace])
                for table in tables:
                    seen = {
                        str(row[0]) for row in db.execute(f"SELECT DISTINCT workspace_id FROM app.{table}").fetchall()
                    }
                    if seen - ({acme} if workspace else set()):
                        found.add(f"{role} {table}")
    return found


def test_the_table_is_as_large_as_it_says() -> None:
    assert len(CASES) == len(set(CASES)) > 100
    assert {kind for kind, _ in CASES} == {"url", "name", "turn", "redirect"}
    assert sum(reaches_the_listener(*case) for case in CASES if case[0] == "url") > 10


def guard(tmp_path: Path, *lines: str) -> Guard:
    zone = tmp_path / "hosts"
    inner = ["127.0.0.1 vault.internal.rivet.example", "127.0.0.1 api.rivet.example"]
    zone.write_text("".join(f"{line}\n" for line in (*inner, *lines)), encoding="utf-8")
    return Guard(Resolver(zone), PUBLIC, (443, PORT))


@pytest.mark.parametrize("url", values("url"))
def test_a_url_that_leads_inside_is_refused_when_it_is_registered(tmp_path: Path, url: str) -> None:
    with pytest.raises(UrlRefusedError) as caught:
        guard(tmp_path).check(url)
    assert INSIDE not in str(caught.value)


@pytest.mark.parametrize("addresses", values("name"))
def test_a_name_that_leads_inside_is_refused_when_it_is_registered(tmp_path: Path, addresses: str) -> None:
    with pytest.raises(UrlRefusedError, match="public internet"):
        guard(tmp_path, f"{addresses} name.example.net").check("https://name.example.net/")


@pytest.mark.parametrize(
    "address",
    [
        "127.80.0.1",
        "127.80.255.254",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "2606:4700::1111",
        "127.80.0.1,8.8.8.8",
    ],
)
def test_a_public_name_is_taken(tmp_path: Path, address: str) -> None:
    guard(tmp_path, f"{address} name.example.net").check("https://name.example.net/")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://hooks.example.net", "https://hooks.example.net"),
        ("HTTPS://Hooks.Example.NET:8443/A?b=c&d=%20", "https://hooks.example.net:8443/A?b=c&d=%20"),
        ("https://bücher.example.net/x", "https://xn--bcher-kva.example.net/x"),
        ("https://hooks.example.net?q", "https://hooks.example.net?q"),
        ("https://a-b.1c.example.net/@:[]", "https://a-b.1c.example.net/@:[]"),
    ],
)
def test_a_plain_url_is_read_in_one_way(tmp_path: Path, written: str, read: str) -> None:
    assert guard(tmp_path).destination(written).url == read


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:// hooks.example.net/",
        "https://hooks.example.net /",
        "https://hooks.example.net/\n",
        "\thttps://hooks.example.net/",
        "https://hooks.example.net/\u00e4",
        "https://hooks.example.net:/",
        "https://hooks.example.net:0/",
        "https://hooks.example.net:80/",
        "https://hooks.example.net:99999/",
        "https://hooks.example.net:٨٤٤٣/",
        "https://hooks..example.net/",
        "https://.example.net/",
        "https://hooks_1.example.net/",
        "https://-a.example.net/",
        "https://" + "a" * 64 + ".example.net/",
        "https://" + "a." * 130 + "example.net/",
        "//hooks.example.net/",
        "hooks.example.net",
        "https://hooks.example.net/#x",
        "https://hooks.example.net\u0000/",
        "https://hooks.example.net\u202e/",
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UrlRefusedError, match=r"^must "):
        guard(tmp_path).destination(url)


def test_no_delivery_leads_inside(rivet: Any) -> None:
    before = len(rivet.log("outbound").splitlines())
    assert inside_violations(rivet, every=True) == set()
    called = [json.loads(line) for line in rivet.log("outbound").splitlines()[before:]]
    public = re.compile(r"127\.80\.")
    reached = [
        line
        for line in called
        if line["purpose"] == "webhook" and line["outcome"] not in {"address refused", "name not found"}
    ]
    assert reached
    assert [line for line in reached if not public.match(line["address"])] == []
    refused = [line["address"] for line in called if line["outcome"] == "address refused"]
    assert {"169.254.169.254", "fd00:ec2::254", "10.1.2.3", "::1", INSIDE} <= set(refused)


@pytest.mark.parametrize(
    "url", ["https://2136018183/", "https://[::1]:8443/", f"https://{INSIDE}/", "https://api.rivet.example/"]
)
def test_the_api_refuses_to_register_it(rivet: Any, url: str) -> None:
    response = rivet.call("POST", rivet.path("acme", "/webhooks"), "acme-owner", json={"url": url})
    assert response.status_code == 422
    assert response.json()["details"][0]["where"] == "body.url"


def test_every_delivery_that_left_is_in_the_record(rivet: Any) -> None:
    with receiver(rivet) as (name, running):
        hooks = Webhooks(rivet, 1)
        before = len(rivet.log("outbound").splitlines())
        assert hooks.outcomes([f"https://{name}:{PORT}/"]) == [{None}]
        hooks.remove()
        lines = [json.loads(line) for line in rivet.log("outbound").splitlines()[before:]]
        (line,) = [line for line in lines if line["host"] == name]
        line.pop("at")
        expected = {"purpose": "webhook", "address": running.address, "port": PORT, "scheme": "https"}
        assert line == {"host": name, **expected, "outcome": "answered 200"}
        assert running.contacts == 1


def test_each_workspace_is_all_that_a_shared_role_sees(rivet: Any) -> None:
    assert role_violations(rivet) == set()


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("guard_checks_name_only", "webhook_redirect_followed_inside"), {"name", "turn", "redirect"}),
        (("guard_resolves_twice", "guard_misses_odd_spellings"), {"turn", "url"}),
    ],
)
def test_sabotages_of_the_guard(batch: Callable[..., Any], names: tuple[str, ...], expected: set[str]) -> None:
    _, rivet = batch(names)
    assert inside_violations(rivet, every=False) == expected
    assert role_violations(rivet) == set()


@pytest.mark.slow
def test_a_role_without_row_security(sabotaged_rivet: Callable[[str], Any]) -> None:
    rivet = sabotaged_rivet("shared_database_role_without_row_security")
    tables = ("contacts", "templates", "webhooks", "webhook_deliveries")
    seen = {f"application {table}" for table in tables} | {"worker webhooks", "worker webhook_deliveries"}
    assert role_violations(rivet) == seen
    assert inside_violations(rivet, every=False) == set()


@pytest.mark.slow
def test_a_request_is_forged_with_curl_alone(sabotaged_rivet: Callable[[str], Any], rivet: Any) -> None:
    """What any tool sees: a listener inside that is contacted because a customer asked for it."""
    for running, expected in ((sabotaged_rivet("guard_checks_name_only"), True), (rivet, False)):
        api, owner = running.facts["listeners"]["api"], running.identity("acme-owner")

        def curl(
            path: str, body: dict[str, Any], *headers: str, api: Any = api, running: Any = running
        ) -> dict[str, Any]:
            command = ["curl", "-sS", "--max-time", "10", "--cacert", running.facts["ca_file"]]
            command += ["--resolve", f"{api['host_name']}:{api['port']}:{api['address']}", "--json", json.dumps(body)]
            command += [part for header in headers for part in ("-H", header)]
            said = subprocess.run([*command, f"{api['url']}{path}"], capture_output=True, check=True).stdout
            answer: dict[str, Any] = json.loads(said)
            return answer

        login = {"email": owner["email"], "password": owner["password"]}
        authorization = f"Authorization: Bearer {curl('/v1/tokens', login)['access_token']}"
        path, name = running.path("acme", "/webhooks"), fresh_name()
        with Receiver(INSIDE, trusted(running.facts)) as inside:
            webhook = curl(path, {"url": f"https://{name}:{PORT}/"}, authorization)
            give(running.facts, name, INSIDE)
            curl(f"{path}/{webhook['id']}/ping", {}, authorization)
            listing = f"{path}/{webhook['id']}/deliveries"
            while running.call("GET", listing, "acme-owner").json()[0]["status"] == "pending":
                time.sleep(0.1)
            assert bool(inside.received) is expected
            assert bool(inside.contacts) is expected
        assert running.call("DELETE", f"{path}/{webhook['id']}", "acme-owner").status_code == 204


@pytest.mark.slow
def test_an_undeclared_host_is_really_contacted(sabotaged_rivet: Callable[[str], Any]) -> None:
    rivet = sabotaged_rivet("undeclared_host_contacted")
    while not (lines := [json.loads(line) for line in rivet.log("outbound").splitlines()]):
        time.sleep(0.1)
    assert lines[0]["host"] not in {one["host_name"] for one in rivet.facts["listeners"].values()}
    assert (lines[0]["purpose"], lines[0]["outcome"]) == ("metrics", "answered 204")
