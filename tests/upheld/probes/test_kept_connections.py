"""Connections between requests: kept, each for one request at a time, and none for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from upheld.errors import OutOfScope
from upheld.probes.http_client import HttpClient
from upheld.probes.kept_connections import KEPT

from ...loopback import endpoint, raw


@contextmanager
def counting(session_of: Callable[..., Any], together: int = 1) -> Iterator[tuple[HttpClient, str, list[list[bytes]]]]:
    """A client, the URL of a server that answers `together` requests at the same time, and what each connection brought in."""
    connections: list[list[bytes]] = []
    meeting = threading.Barrier(together, timeout=20)

    def serve(connection: socket.socket, stop: threading.Event) -> None:
        mine: list[bytes] = []
        connections.append(mine)
        while not stop.is_set() and (data := connection.recv(65536)):
            mine.append(data)
            meeting.wait()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with raw(serve) as port:
        client = HttpClient(session_of(endpoints=[endpoint("www", port, scheme="http")], timeout_seconds=20))
        yield client, f"http://www.rivet.example:{port}/", connections
        client.close()


def at_once(client: HttpClient, url: str, count: int) -> None:
    threads = [threading.Thread(target=client.send, args=("GET", url)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_requests_in_turn_share_a_connection(session_of: Callable[..., Any]) -> None:
    with counting(session_of) as (client, url, connections):
        for _ in range(3):
            assert client.send("GET", url).text == "ok"
    assert [len(one) for one in connections] == [3]


def test_requests_at_once_have_a_connection_each(session_of: Callable[..., Any]) -> None:
    with counting(session_of, together=3) as (client, url, connections):
        for _ in range(2):
            at_once(client, url, 3)
    assert [len(one) for one in connections] == [2, 2, 2]


def test_no_more_are_kept_than_are_of_use(session_of: Callable[..., Any]) -> None:
    with counting(session_of, together=KEPT + 4) as (client, url, connections):
        for _ in range(2):
            at_once(client, url, KEPT + 4)
    assert sorted(len(one) for one in connections) == [1] * 8 + [2] * KEPT


def test_connections_that_never_came_about_take_nobodys_place(session_of: Callable[..., Any]) -> None:
    with counting(session_of) as (client, url, connections):
        client.send("GET", url)
        for _ in range(KEPT + 1):
            with pytest.raises(OutOfScope):
                client.send("GET", "http://elsewhere.example/")
        client.send("GET", url)
    assert [len(one) for one in connections] == [2]


@pytest.mark.parametrize("size", [0, 1, 1000, 200_000])
def test_a_body_leaves_with_its_head_and_whole(session_of: Callable[..., Any], size: int) -> None:
    body = b"x" * size

    def serve(connection: socket.socket, stop: threading.Event) -> None:
        got = connection.recv(1 << 20)
        firsts.append(got)
        while len(got.partition(b"\r\n\r\n")[2]) < size:
            got += connection.recv(1 << 20)
        whole.append(got)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    firsts: list[bytes] = []
    whole: list[bytes] = []
    with raw(serve) as port:
        client = HttpClient(session_of(endpoints=[endpoint("www", port, scheme="http")]))
        assert client.send("POST", f"http://www.rivet.example:{port}/", content=body).text == "ok"
        client.close()
    assert whole[0].partition(b"\r\n\r\n")[2] == body
    assert size > 1000 or firsts == whole
