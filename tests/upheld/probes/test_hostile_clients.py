"""A deployment that floods the harness's receiver, and pages that never finish in its browser: both end, and keep little."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

from upheld.errors import Unobservable
from upheld.probes import listener as module
from upheld.probes.chromium import PROGRAMS, Asked, Chromium, Given
from upheld.probes.listener import Listener

from ...loopback import free_port

SECONDS = 2.0
POST = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def test_a_flood_of_requests_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_LIMIT", 2_000_000)
    body = b"x" * 900_000
    with Listener("127.0.0.1", free_port()) as listener:
        for _ in range(6):
            with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as connection:
                connection.sendall(POST % len(body) + body)
                while connection.recv(4096):
                    pass
    assert listener.contacts == 6
    assert len(listener.requests) == 2


def test_what_is_no_request_ends_as_a_refusal() -> None:
    odd = [
        b"\x00" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 50_000,
        b"GET /" + b"a" * 200_000,
        POST % 10**18 + b"x" * 100,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\n",
        b"\x16\x03\x01\x00\x05hello",
    ]
    with Listener("127.0.0.1", free_port()) as listener:
        for data in odd:
            with (
                socket.create_connection(("127.0.0.1", listener.port), timeout=5) as connection,
                contextlib.suppress(OSError),  # It may be closed on the way.
            ):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
    assert listener.requests == []
    assert all(len(one) <= 200 for one in listener.refusals)


def test_whoever_drips_does_not_hold_the_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty connections that send a byte now and then: the listener closes in the time that one request may take."""
    monkeypatch.setattr(module, "_CONNECTION_SECONDS", 30.0)
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        try:
            while not stop.wait(0.05):
                connection.sendall(b"P")
        except OSError:
            return

    listener = Listener("127.0.0.1", free_port())
    connections = []
    with listener:
        for _ in range(40):
            connections.append(socket.create_connection(("127.0.0.1", listener.port)))
            threading.Thread(target=drip, args=(connections[-1],), daemon=True).start()
        assert listener.wait(lambda: listener.contacts == 40, 10)
    stop.set()
    for connection in connections:
        connection.close()
    assert listener.requests == []
    assert not any(thread.is_alive() for thread in listener._threads)


needs_browser = pytest.mark.skipif(
    not any(shutil.which(name) for name in PROGRAMS), reason=f"none of {', '.join(PROGRAMS)} is on PATH"
)
URL = "https://www.rivet.example/"
HTML = (("content-type", "text/html; charset=utf-8"),)
MORE = "<img src='/%d' onload='more()' onerror='more()'>"
PAGES = {
    "asks for ever more": "<script>let n=0; function more(){for(let i=0;i<4;i++){const e=new Image();e.onload=e.onerror=more;"
    "e.src='/x'+n++;document.body.append(e)}}</script><body onload=''><img src=/first onerror=more()>",
    "loops": "<script>while(true){}</script>",
    "opens dialogs for ever": "<script>while(true)alert(1)</script>",
    "loads itself again": "<script>location='/?'+Math.random()</script><img src=/never>",
    "writes for ever": "<script>while(true)document.write('<p>'+'x'.repeat(1e6))</script>",
}


@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_pages_that_never_finish_are_timed_out(name: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def serve(request: Asked) -> Given | None:
        asked.append(request.url)
        if request.url == URL:
            return Given(200, HTML, PAGES[name].encode())
        time.sleep(0.02)  # As long as the network takes: meanwhile the page asks for more.
        return Given(200, (("content-type", "image/png"),), b"no image") if "never" not in request.url else None

    before = _files(tmp_path)
    ended: list[str] = []

    def open_it() -> None:
        with Chromium(tmp_path / "browser", serve, seconds=SECONDS) as browser:
            try:
                ended.append(str(browser.open(URL, "document.title")))
            except Unobservable as unobservable:
                ended.append(unobservable.reason)

    thread = threading.Thread(target=open_it, daemon=True)
    thread.start()
    thread.join(90)  # Not how long it takes is tested, but that it ends at all.
    assert len(ended) == 1
    assert len(ended[0]) < 300
    assert asked[0] == URL
    assert _files(tmp_path) == before


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}
