"""A real browser without a network of its own: Chromium, driven by the DevTools protocol over two pipes.

Every request that a page makes is stopped before it leaves, and answered by a function of ours, so that nothing reaches
what the target does not declare, whatever a page asks for. The profile is fresh each time and removed afterwards.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from upheld.errors import TimedOut, Unobservable

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""What a Chromium is called on PATH."""
INSTALL = "install one (apt-get install chromium), so that one of these is on PATH: " + ", ".join(PROGRAMS)
_FLAGS = (
    "--headless",
    # Root and most containers can have no sandbox; what stands in for it is that the browser has no network and no profile.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--mute-audio",
    # What is not a page's request, and so not stopped, finds no host.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    # What needs no host (an address, WebRTC) goes to a proxy that is not there, and never past it.
    "--proxy-server=http://127.0.0.1:1",
    "--proxy-bypass-list=<-loopback>",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-features=WebRtcHideLocalIpsWithMdns,DialMediaRouteProvider,MediaRouter,OptimizationHints,NetworkTimeServiceQuerying",
    "--disable-domain-reliability",
    "--disable-quic",
    "--no-pings",
    "--remote-debugging-pipe",
)
_LARGEST = 64 * 1024 * 1024
_SETTLE_SECONDS = 0.05
_STARTING_SECONDS = 20.0
_HANDS = 10
"""The first descriptor that the pipes may have here, apart from those that they have over there."""
_DROPPED = frozenset(
    {"content-encoding", "content-length", "transfer-encoding", "set-cookie", "connection", "keep-alive"}
)

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a page makes."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Given:
    """What it is answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


Serve = Callable[[Asked], "Given | None"]
"""Answers a request; None blocks it."""


class Chromium:
    """One running browser with one page. Close it."""

    def __init__(self, folder: Path, serve: Serve, *, seconds: float) -> None:
        """Starts it with a profile below `folder`; no answer of it may take longer than `seconds`."""
        program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
        if program is None:
            raise Unobservable(f"there is no browser: {INSTALL}")
        folder.mkdir(parents=True, exist_ok=True)
        self._serve, self._seconds = serve, seconds
        self._profile = Path(tempfile.mkdtemp(prefix="browser-", dir=folder))
        self._number, self._buffer, self._loaded = 0, b"", 0
        self._write, self._read = self._start(program)
        try:
            self._until = time.monotonic() + _STARTING_SECONDS
            target = self._command("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self._command("Page.enable")
            self._command("Network.setCacheDisabled", cacheDisabled=True)
            self._command("Network.setBypassServiceWorker", bypass=True)
            self._command("Fetch.enable", patterns=[{"urlPattern": "*"}])
        except BaseException:
            self.close()
            raise

    _session = ""

    def __enter__(self) -> Self:
        """The browser itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def open(self, url: str, expression: str) -> Any:
        """Load a page, let its scripts run, and give the value of a JavaScript expression there.

        Raises Unobservable when it cannot be loaded, TimedOut when it does not end.
        """
        self._until = time.monotonic() + self._seconds
        self._loaded = 0
        answer = self._command("Page.navigate", url=url)
        if answer.get("errorText"):
            raise Unobservable(f"the browser cannot open {url}: {answer['errorText']}")
        while not self._loaded:
            self._handle(self._next())
        settled = time.monotonic() + _SETTLE_SECONDS
        while (left := settled - time.monotonic()) > 0:
            if (message := self._next(left)) is not None:
                self._handle(message)
        found = self._command("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise Unobservable(f"the page {url} cannot be asked: {found['exceptionDetails'].get('text', '')}")
        return found["result"].get("value")

    def close(self) -> None:
        """End the browser and all that it started, and remove its profile."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for descriptor in (self._write, self._read):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        shutil.rmtree(self._profile, ignore_errors=True)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _start(self, program: str) -> tuple[int, int]:
        """Start the program; it reads commands from descriptor 3 and writes to 4. Gives our ends of the two pipes."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Ours must not be 3 and 4 themselves when those are laid over them.
        high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _HANDS) for one in (theirs_in, theirs_out)]
        for one in (theirs_in, theirs_out):
            os.close(one)

        def hand_over() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        try:
            self._process = subprocess.Popen(
                [program, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
                pass_fds=(3, 4),
                preexec_fn=hand_over,  # noqa: PLW1509  (it calls nothing but dup2)
                env={**environment, "HOME": str(self._profile)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            os.close(ours_out)
            os.close(ours_in)
            shutil.rmtree(self._profile, ignore_errors=True)
            raise Unobservable(f"{program} cannot be run: {error.strerror or error}") from error
        finally:
            for one in high:
                os.close(one)
        return ours_out, ours_in

    def _command(self, method: str, **parameters: Any) -> Message:
        number = self._send(method, parameters)
        while True:
            message = self._next()
            if message is not None and message.get("id") == number:
                if "error" in message:
                    raise Unobservable(f"the browser refused {method}: {message['error'].get('message', '')}")
                return dict(message.get("result") or {})
            self._handle(message)

    def _send(self, method: str, parameters: Mapping[str, Any]) -> int:
        self._number += 1
        message: Message = {"id": self._number, "method": method, "params": dict(parameters)}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        try:
            while data:
                data = data[os.write(self._write, data) :]
        except OSError as error:
            raise Unobservable("the browser has ended") from error
        return self._number

    def _next(self, seconds: float | None = None) -> Message | None:
        """The next message; with `seconds` None when none comes in that time. Raises TimedOut when the time of all is over."""
        until = self._until if seconds is None else min(self._until, time.monotonic() + seconds)
        # A page that asks for ever more always has a message waiting; that must not keep the time from running out.
        if time.monotonic() > self._until:
            raise TimedOut(f"the browser was not done within {self._seconds:g} s")
        while b"\0" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                if seconds is not None:
                    return None
                raise TimedOut(f"the browser did not answer within {self._seconds:g} s")
            piece = os.read(self._read, 1 << 16)
            if not piece:
                raise Unobservable("the browser has ended")
            self._buffer += piece
            if len(self._buffer) > _LARGEST:
                raise Unobservable("the browser sent more than can be read")
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: Message = json.loads(raw)
        return message

    def _handle(self, message: Message | None) -> None:
        method = (message or {}).get("method")
        parameters = (message or {}).get("params") or {}
        if method == "Fetch.requestPaused":
            self._answer(parameters)
        elif method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Page.javascriptDialogOpening":
            self._send("Page.handleJavaScriptDialog", {"accept": True})

    def _answer(self, paused: Mapping[str, Any]) -> None:
        request = paused["request"]
        body = request.get("postData")
        asked = Asked(
            request["method"], request["url"], request.get("headers") or {}, body.encode() if body is not None else None
        )
        given = self._serve(asked)
        if given is None:
            self._send("Fetch.failRequest", {"requestId": paused["requestId"], "errorReason": "BlockedByClient"})
            return
        headers = [{"name": key, "value": value} for key, value in given.headers if key.lower() not in _DROPPED]
        content = base64.b64encode(given.body).decode()
        self._send(
            "Fetch.fulfillRequest",
            {
                "requestId": paused["requestId"],
                "responseCode": given.status,
                "responseHeaders": headers,
                "body": content,
            },
        )
