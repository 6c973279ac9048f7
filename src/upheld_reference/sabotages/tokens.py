"""Tokens that end up where somebody reads them."""

from __future__ import annotations

import logging
import re
from typing import Any

from starlette.datastructures import Headers

from upheld_reference import logs
from upheld_reference.graph import client
from upheld_reference.graph.client import GraphAnswerError, GraphClient, SignUp
from upheld_reference.logs import RedactingFormatter
from upheld_reference.platform import Platform, Scope
from upheld_reference.sabotages import sabotage

_CLAIM = "tokens-never-logged"
# A token of a sign-up in a log of the platform's own is a plaintext copy, made when the token came.
_KEPT = ("no-plaintext-credentials", "token-encrypted-on-receipt")


@sabotage(breaks=(_CLAIM,), shows=("access",))
def authorization_in_access_log(platform: Platform) -> None:
    """The access log has the Authorization header of every request, and a format of its own that redacts nothing."""
    line_without = logs.access_line

    def access_line(listener: str, scope: Scope, status: int, milliseconds: float) -> str:
        authorization = Headers(scope=scope).get("authorization", "-")
        return f'{line_without(listener, scope, status, milliseconds)} "{authorization}"'

    def plain(_platform: Platform) -> None:
        for handler in logs.access_log.handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))

    platform.replace(logs, "access_line", access_line)
    platform.on("built", plain)


@sabotage(
    breaks=(_CLAIM, *_KEPT),
    shows=(
        "canary",
        "app.log",
    ),
)
def token_in_exception_trace(platform: Platform) -> None:
    """The exception about an odd answer of Graph quotes that answer, and tracebacks are not redacted."""

    def quoting(self: GraphAnswerError) -> str:
        return f"Graph answered without {self.missing}: {self.answer}"

    def format_(self: RedactingFormatter, record: logging.LogRecord) -> str:
        first, *traceback = logging.Formatter.format(self, record).split("\n")
        return "\n    ".join([logs.redact(first), *traceback])

    platform.replace(GraphAnswerError, "__str__", quoting)
    platform.replace(RedactingFormatter, "format", format_)


@sabotage(breaks=(_CLAIM,), shows=("graph",))
def token_in_url_query(platform: Platform) -> None:
    """Calls of Graph carry the access token in the URL's query, where the web server at the other end logs it."""

    def authorize(token: str) -> dict[str, Any]:
        return {"params": {"access_token": token}}

    platform.replace(client, "authorize", authorize)


@sabotage(
    breaks=(_CLAIM, *_KEPT),
    shows=(
        "canary",
        "debug.log",
    ),
)
def redaction_misses_second_token(platform: Platform) -> None:
    """The debug log quotes the code and the token of each sign-up, and the redaction masks only the first credential in a line."""
    secret = re.compile(r"EAAG[\w-]+|(?<![\w-])AQ[\w-]{18,}|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|(?<=(?i:bearer) )[^\s'\"]+")
    silent = GraphClient.exchange

    async def exchange(self: GraphClient, code: str) -> SignUp:
        found = await silent(self, code)
        client.debug_log.debug("exchanged code %s for access token %s", code, found.access_token)
        return found

    def redact(text: str) -> str:
        return "\n".join(secret.sub(logs.MASK, line, count=1) for line in text.split("\n"))

    platform.replace(GraphClient, "exchange", exchange)
    platform.replace(logs, "redact", redact)
