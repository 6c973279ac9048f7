"""The way out of the platform: names, addresses, certificates, and the record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import upheld_reference
from upheld_reference.network.zone import NameNotFoundError, Resolver, address_literal


def resolver(tmp_path: Path, *lines: str) -> Resolver:
    zone = tmp_path / "hosts"
    zone.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Resolver(zone)


def looked_up(resolver: Resolver, name: str) -> list[str]:
    return [str(address) for address in resolver.look_up(name)]


def test_a_name_has_the_address_in_the_zone_file(tmp_path: Path) -> None:
    zone = resolver(tmp_path, "# a comment", "127.80.0.1 one.example two.example # another", "::1 six.example")
    assert looked_up(zone, "two.example") == ["127.80.0.1"]
    assert looked_up(zone, "TWO.example.") == ["127.80.0.1"]
    assert looked_up(zone, "six.example") == ["::1"]
    for unknown in ("three.example", "example", "#", "", "127.80.0.1.example"):
        with pytest.raises(NameNotFoundError):
            zone.look_up(unknown)


def test_the_zone_file_is_read_at_every_look_up(tmp_path: Path) -> None:
    zone = resolver(tmp_path)
    with pytest.raises(NameNotFoundError):
        zone.look_up("late.example")
    zone.zone.write_text("127.80.0.9 late.example\n", encoding="utf-8")
    assert looked_up(zone, "late.example") == ["127.80.0.9"]
    zone.zone.unlink()
    with pytest.raises(NameNotFoundError):
        zone.look_up("late.example")


def test_several_lines_are_answered_in_turn_and_commas_at_once(tmp_path: Path) -> None:
    zone = resolver(tmp_path, "127.80.0.1 turn.example", "127.0.0.1 turn.example", "127.80.0.1,10.0.0.1 both.example")
    assert [looked_up(zone, "turn.example") for _ in range(3)] == [["127.80.0.1"], ["127.0.0.1"], ["127.80.0.1"]]
    assert looked_up(zone, "both.example") == ["127.80.0.1", "10.0.0.1"]


def test_a_line_without_an_address_resolves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NameNotFoundError):
        resolver(tmp_path, "nowhere name.example", "127.80.0.1,nowhere name.example").look_up("name.example")


@pytest.mark.parametrize(
    "spelling", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "a.localhost"]
)
def test_spellings_that_getaddrinfo_takes_are_taken(tmp_path: Path, spelling: str) -> None:
    assert looked_up(resolver(tmp_path), spelling) == ["127.0.0.1"]


def test_names_are_no_addresses() -> None:
    assert [address_literal(name) for name in ("a.example", "1.2.3.4.5", "0x.example", "①")] == [None] * 4


def record(rivet: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in rivet.log("outbound").splitlines()]


def test_a_call_of_graph_is_in_the_record(rivet: Any) -> None:
    before = len(record(rivet))
    body = {"code": f"AQ{uuid4().hex}", "phone_number": "+27821234567"}
    assert rivet.call("POST", rivet.path("acme", "/whatsapp/signup"), "acme-owner", json=body).status_code == 201
    graph = rivet.facts["listeners"]["graph"]
    called = [line for line in record(rivet)[before:] if line["purpose"] == "graph"]
    assert len(called) == 2  # the exchange and the subscription
    for line in called:
        assert line.pop("at").endswith("Z")
        assert line == {
            "purpose": "graph",
            "host": graph["host_name"],
            "address": graph["address"],
            "port": graph["port"],
            "scheme": "https",
            "outcome": "answered 200",
        }


def test_the_zone_file_names_every_listener(rivet: Any) -> None:
    zone = Resolver(Path(rivet.facts["internet"]["zone_file"]))
    for listener in rivet.facts["listeners"].values():
        assert looked_up(zone, listener["host_name"]) == [listener["address"]]


WAYS_OUT = {
    "network/transport.py": "the one way out",
    "graph/client.py": "through that transport",
    "webhooks/sending.py": "through that transport",
    "internal/client.py": "to the platform's own internal listeners, by mutual TLS",
    "edge/monitor.py": "to the platform's own listeners, as the status page's samples",
}
"""Every module that opens connections by TCP, and why that is no way round the record."""


def test_nothing_but_the_known_modules_opens_connections() -> None:
    root = Path(upheld_reference.__file__).parent
    opening = re.compile(
        r"httpx\.(Async)?(Client|HTTPTransport)\(|\(httpx\.AsyncHTTPTransport\)|httpx\.(get|post|request|stream)\("
        r"|open_connection\(|create_connection\(|\.connect\(\(|urlopen\(|import (requests|aiohttp|smtplib|ftplib)"
    )
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "sabotages" not in path.parts and opening.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(WAYS_OUT)
    for name in ("graph/client.py", "webhooks/sending.py"):
        assert "outbound.transport(" in (root / name).read_text(encoding="utf-8")
