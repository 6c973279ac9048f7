"""The log files of a deployment, and the redaction that every line goes through."""

from __future__ import annotations

import datetime as dt
import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from upheld_reference.platform import Asgi, Message, Receive, Scope, Send

access_log = logging.getLogger("rivet.access")
"""One line for each request; written by ``AccessLog``."""
app_log = logging.getLogger("rivet.app")
"""What the application does and what goes wrong in it."""
security_log = logging.getLogger("rivet.security")
"""Bad logins, lockouts, refused attempts."""

MASK = "[redacted]"
"""What stands in place of a secret."""

_SECRETS = (
    # Access tokens of the Graph API; its sign-up codes, also right behind an encoded "=" (%3D); JSON web tokens.
    ("EAAG", re.compile(r"EAAG[A-Za-z0-9_-]+")),
    ("AQ", re.compile(r"AQ[A-Za-z0-9_-]{18,}")),
    ("eyJ", re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?")),
)
_BEARER = re.compile(r"(?i)(\bbearer[ \t]+)(?!\[redacted\])[^\s'\",;)\]}]+")
_NAMES = ("password", "token", "code", "secret")
_NAMED = re.compile(
    rf"""(?ix)
    ( (?:{"|".join(_NAMES)})  ["']? \s* (?:=|:\s?) \s* )   # the name: form field, keyword, JSON or repr
    ( b?"(?:[^"\\]|\\.)*" | b?'(?:[^'\\]|\\.)*' | [^\s&,;)\]}}"']+ )"""
)


def redact(text: str) -> str:
    """``text`` with every secret that it holds masked, however many there are.

    Masked are Graph API tokens and sign-up codes, JSON web tokens, what follows ``Bearer``, and the values of
    ``password``, ``token``, ``code`` and ``secret``, also as the end of a longer name such as ``access_token``.
    """
    for beginning, pattern in _SECRETS:
        if beginning in text:
            text = pattern.sub(MASK, text)
    folded = text.casefold()  # Most lines have no such word in them, and to look for one costs next to nothing.
    if "bearer" in folded:
        text = _BEARER.sub(rf"\1{MASK}", text)
    return _NAMED.sub(_mask_value, text) if any(name in folded for name in _NAMES) else text


def _mask_value(match: re.Match[str]) -> str:
    """Keeps what is no secret by itself: masked values, numbers (status codes) and nothing at all."""
    name, value = match.groups()
    if value.strip("b\"'") in {"", "None", "null", MASK, MASK[:-1]} or re.fullmatch(r"\d{1,5}", value):
        return match.group()
    return f"{name}{MASK}"


class RedactingFormatter(logging.Formatter):
    """Formats a record, with its traceback, as text without secrets; what follows a line break is indented."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002 - logging's names
        """When it was logged, in UTC, as RFC 3339."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def format(self, record: logging.LogRecord) -> str:
        """The whole redacted text of one record, in which no client can make up a line of its own; several logs get the same."""
        text: str | None = record.__dict__.get(_REDACTED)
        if text is None:
            text = redact(super().format(record)).replace("\r", "\\r").replace("\n", "\n    ")
            record.__dict__[_REDACTED] = text
        return text


_REDACTED = "rivet_redacted"
_LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure(folder: Path) -> Mapping[str, logging.Handler]:
    """Opens access, app, error, security and debug log in ``folder`` and returns their handlers by those names.

    debug.log has everything that any logger of the process says; error.log all errors. To be called once in a process.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    # No line says where in the code it was written, or in which thread: then that need not be found out for each.
    logging._srcfile = None  # noqa: SLF001  (documented: Logging HOWTO, Optimization)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handlers: dict[str, logging.Handler] = {}
    for name in ("access", "app", "error", "security", "debug"):
        handler = logging.FileHandler(folder / f"{name}.log", encoding="utf-8", errors="backslashreplace")
        handler.setFormatter(RedactingFormatter(_LINE))
        handlers[name] = handler
    handlers["error"].setLevel(logging.ERROR)
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    root.addHandler(handlers["debug"])
    root.addHandler(handlers["error"])
    for logger, name in ((access_log, "access"), (app_log, "app"), (security_log, "security")):
        logger.addHandler(handlers[name])
    app_log.setLevel(logging.DEBUG)
    handlers["app"].setLevel(logging.INFO)
    return MappingProxyType(handlers)


def access_line(listener: str, scope: Scope, status: int, milliseconds: float) -> str:
    """The line of access.log for one request; neither query string nor headers are in it."""
    client = scope.get("client")
    path = str(scope["path"]).encode("unicode_escape").decode("ascii")
    return f"{client[0] if client else '-'} {listener} {scope['method']} {path} {status} {milliseconds:.1f}ms"


class AccessLog:
    """ASGI middleware that writes one line of access.log for each request."""

    def __init__(self, app: Asgi, listener: str) -> None:
        """Wraps ``app``, which the listener called ``listener`` serves."""
        self.app = app
        self.listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting_status)
        finally:
            access_log.info("%s", access_line(self.listener, scope, status, (time.perf_counter() - started) * 1000))
