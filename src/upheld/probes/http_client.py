"""The HTTP transport under every probe that speaks HTTP: bounded in scope, time and size, with one map of its errors.

It sends what it is told, to the byte: no redirect is followed, no cookie kept unless that is asked for, no proxy used, no path tidied. It stands
on httpcore, the transport of httpx, with a network backend of its own (`upheld.probes.network`).
"""

from __future__ import annotations

import hashlib
import json as json_module
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpcore

from upheld.errors import TimedOut, Unobservable
from upheld.probes import network
from upheld.probes.base import Session
from upheld.probes.decoding import TooLarge, charset, decoder
from upheld.probes.kept_connections import KeptConnections
from upheld.redaction import SHORTEST

MAX_BODY = 5 * 1024 * 1024
"""Bytes of a body as it comes over the wire."""
MAX_DECODED = 20 * 1024 * 1024
"""Bytes of a body after decompression."""
QUERY = ":query"
"""Among the headers of a request: what is added to the query of its URL, such as an API key."""
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS"})
_PLACEHOLDER = re.compile(r"\[redacted:[^\[\]]*\]|%5[Bb]redacted(?::|%3[Aa])(?:(?!%5[Dd])[^\[\]])*%5[Dd]")
_COOKIE = re.compile(r"^([^=;]*=)([^;]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it was seen: header names in lower case and in order, the body decompressed and decoded.

    `size` and `sha256` are of the decompressed body in bytes; `seconds` from sending to the last byte; `truncated` when
    only the beginning was asked for and there was more.
    """

    url: str
    method: str
    status: int
    headers: tuple[tuple[str, str], ...]
    text: str
    size: int
    truncated: bool
    sha256: str
    media_type: str
    seconds: float
    http_version: str

    def header(self, name: str) -> str | None:
        """The first header field of that name."""
        wanted = name.lower()
        for key, value in self.headers:
            if key == wanted:
                return value
        return None

    def headers_all(self, name: str) -> tuple[str, ...]:
        """Every header field of that name, in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)

    @property
    def blank(self) -> bool:
        """Whether the body says nothing: there is no letter and no digit in it, as in `{}` or in no body at all."""
        return not re.search(r"\w", self.text)

    def json(self) -> Any:
        """The body as JSON; raises Unobservable when it is none."""
        try:
            return json_module.loads(self.text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Unobservable(
                f"{self.method} {self.url} answered {self.status} with a body that is no JSON"
            ) from error

    def __str__(self) -> str:
        """`GET https://… -> 200`."""
        return f"{self.method} {self.url} -> {self.status}"


class NoHttpAnswer(Unobservable):
    """The peer was reached, and closed the connection or sent something that is not HTTP: `first` is how that began."""

    def __init__(self, reason: str, first: bytes = b"") -> None:
        self.first = first
        super().__init__(reason)


class HttpClient:
    """Sends single requests to what the target declares, over kept-alive connections. Safe to use from several threads."""

    def __init__(self, session: Session, *, source_address: str | None = None, cookies: bool = False) -> None:
        """`source_address` is the local IP address to send from, where the harness has several.

        With `cookies` it keeps what each host sets, and sends it back there, as browsers do.
        """
        self._jar: dict[str, dict[str, str]] | None = {} if cookies else None
        self._session = session
        self._source = source_address
        self._kept: dict[bool, KeptConnections] = {}
        self._lock = threading.Lock()
        self._agent = agent(session.target.contact)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
        deadline_seconds: float | None = None,
        verify: bool = True,
        whole: bool = True,
    ) -> Answer:
        """Send one request and give its answer; no redirect is followed.

        `deadline_seconds` bounds everything from connecting to the last byte (default: the target's time limit). Without
        `verify` the certificate is not looked at. It waits its turn where the target limits the rate. Without `whole` a body that is too large or too slow is cut instead of
        being an error. Placeholders of known secrets in URL, headers and body are filled in. Raises OutOfScope, TimedOut,
        Refused, NoHttpAnswer, or Unobservable for a body that is too large or cannot be decoded, and when the budget is used up.
        """
        request = self._request(method, url, dict(headers or {}), json, content)
        limit = deadline_seconds or self._session.target.timeout_seconds
        place = self._session.scope.describe(request.url.host.decode(), _port(request.url))
        silence = self._session.silence
        silence.check(place)
        self._session.pace(request.url.host.decode())
        try:
            answer = self._send(request, method, url, verify=verify, whole=whole, limit=limit, place=place)
        except TimedOut:
            silence.timed_out(place)
            raise
        except Unobservable:
            silence.answered(place)
            raise
        silence.answered(place)
        return answer

    def rate(self, url: str) -> float | None:
        """How many requests in a second the host of the URL may get by the target's limits; None when that is not limited."""
        return self._session.meter.rate(urlsplit(url).hostname or "")

    def _send(
        self, request: httpcore.Request, method: str, url: str, *, verify: bool, whole: bool, limit: float, place: str
    ) -> Answer:
        with network.deadline(limit, place) as state:
            started = time.perf_counter()
            try:
                return self._exchange(request, method, url, verify=verify, whole=whole, started=started)
            except NoHttpAnswer as error:
                # A kept-alive connection may close just as it is used again; that says nothing about the peer.
                if state.connected or state.received or method not in _SAFE_TO_REPEAT:
                    error.first = state.first
                    raise
                self._session.pace(request.url.host.decode())
                return self._exchange(request, method, url, verify=verify, whole=whole, started=started)

    def with_cookies(self) -> HttpClient:
        """Another client that sends from the same address, and keeps cookies of its own."""
        return HttpClient(self._session, source_address=self._source, cookies=True)

    def cookies(self, host: str) -> dict[str, str]:
        """The cookies that are kept for a host, by name; none where no cookies are kept."""
        return dict((self._jar or {}).get(host.lower(), {}))

    def close(self) -> None:
        """Close every connection."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _request(
        self, method: str, url: str, headers: dict[str, str], json: object, content: bytes | None
    ) -> httpcore.Request:
        revealed = self._with_query(self._reveal_quoted(url), headers.pop(QUERY, ""))
        try:
            parts = urlsplit(revealed)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Unobservable(f"{url} is no URL") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise Unobservable(f"{url} is no http or https URL")
        if parts.username is not None:
            raise Unobservable("the URL carries a user name")
        # The path goes out as it was given; only what HTTP forbids in a request line is quoted.
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~[]|^{}\\\"<>`#?")
        if parts.query or revealed.partition("#")[0].endswith("?"):
            target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=-._~[]|^{}\\\"<>`?")
        try:
            name = host.encode("ascii").decode() if host.isascii() else host.encode("idna").decode()
        except UnicodeError as error:
            raise Unobservable(f"the host name of {url} is not valid") from error
        bracketed = f"[{name}]" if ":" in name else name
        given = {key.lower() for key in headers}
        fields = [("host", bracketed if port is None else f"{bracketed}:{port}")] if "host" not in given else []
        for key, value in (("user-agent", self._agent), ("accept", "*/*"), ("accept-encoding", "gzip, deflate")):
            if key not in given:
                fields.append((key, value))
        fields.extend(("cookie", kept) for kept in self._cookies_for(name) if "cookie" not in given)
        body = content
        if json is not None:
            body = json_module.dumps(self._reveal_deep(json), ensure_ascii=False).encode()
            if "content-type" not in given:
                fields.append(("content-type", "application/json"))
        elif body is not None:
            form = next((v for k, v in headers.items() if k.lower() == "content-type"), "").startswith(
                "application/x-www-form-urlencoded"
            )
            text = body.decode("utf-8", "surrogateescape")
            text = self._reveal_quoted(text) if form else self._session.redactor.reveal(text)
            body = text.encode("utf-8", "surrogateescape")
        fields.extend((key, self._session.redactor.reveal(value)) for key, value in headers.items())
        if (body is not None or method in {"POST", "PUT", "PATCH"}) and not given & {
            "content-length",
            "transfer-encoding",
        }:
            fields.append(("content-length", str(len(body or b""))))
        try:
            encoded = [(key.encode("ascii"), value.encode("latin-1")) for key, value in fields]
        except UnicodeEncodeError as error:
            raise Unobservable(f"a header of the request to {url} cannot be sent: it is not Latin-1") from error
        address = httpcore.URL(
            scheme=parts.scheme.encode(), host=name.encode(), port=port, target=target.encode("ascii")
        )
        return httpcore.Request(method, address, headers=encoded, content=body)

    def _with_query(self, url: str, query: str) -> str:
        """`url` with more in its query. It is kept out of the URL that observations show, and added where the request leaves."""
        return f"{url}{'&' if '?' in url else '?'}{self._reveal_quoted(query)}" if query else url

    def _exchange(
        self, request: httpcore.Request, method: str, url: str, *, verify: bool, whole: bool, started: float
    ) -> Answer:
        place = self._session.scope.describe(request.url.host.decode(), _port(request.url))
        kept = self._connections(verify)
        connection = kept.take(request.url)
        try:
            response = connection.handle_request(request)
            try:
                fields = tuple((k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in response.headers)
                body, cut = self._body(response, fields, place, whole=whole)
                if _left_over(response):
                    response.extensions["network_stream"].close()
            finally:
                response.close()
        except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
            raise NoHttpAnswer(f"{place} gave no HTTP answer: {_lower(error)}") from error
        except httpcore.LocalProtocolError as error:
            raise Unobservable(f"the request to {place} cannot be sent: {_lower(error)}") from error
        except httpcore.TimeoutException as error:
            raise TimedOut(f"no complete answer from {place} within the time limit") from error
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            RuntimeError,
        ) as error:
            raise Unobservable(f"no answer from {place}: {_lower(error)}") from error
        finally:
            kept.bring_back(request.url, connection)
        self._keep_cookies(request, fields)
        content_type = next((value for key, value in fields if key == "content-type"), "")
        version = response.extensions.get("http_version", b"HTTP/1.1")
        return Answer(
            url=url,
            method=method,
            status=response.status,
            headers=tuple(
                (key, _COOKIE.sub(r"\1[redacted:cookie]", value) if key == "set-cookie" else value)
                for key, value in fields
            ),
            text=body.decode(charset(content_type), "replace"),
            size=len(body),
            truncated=cut,
            sha256=hashlib.sha256(body).hexdigest(),
            media_type=content_type.partition(";")[0].strip().lower(),
            seconds=round(time.perf_counter() - started, 6),
            http_version=version.decode("ascii", "replace"),
        )

    def _cookies_for(self, host: str) -> list[str]:
        kept = (self._jar or {}).get(host)
        return ["; ".join(f"{key}={value}" for key, value in kept.items())] if kept else []

    def _keep_cookies(self, request: httpcore.Request, fields: tuple[tuple[str, str], ...]) -> None:
        if self._jar is None:
            return
        kept = self._jar.setdefault(request.url.host.decode(), {})
        for key, value in fields:
            pair, _, attributes = value.partition(";")
            name, _, content = pair.strip().partition("=")
            if key != "set-cookie" or not name:
                continue
            if not content.strip('"') or re.search(r"max-age\s*=\s*(?:0\b|-)", attributes, re.IGNORECASE):
                kept.pop(name, None)
                continue
            kept[name] = content
            if len(content) >= SHORTEST:
                self._session.redactor.add(content, f"cookie-{name}")

    def _body(
        self, response: httpcore.Response, fields: tuple[tuple[str, str], ...], place: str, *, whole: bool
    ) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            unpack = decoder(",".join(value for key, value in fields if key == "content-encoding"), MAX_DECODED)
            for chunk in _bounded(response):
                body += unpack.feed(chunk)
            unpack.end()
        except (Unobservable, httpcore.RemoteProtocolError, httpcore.ReadError) as error:
            # The status and the beginning have been seen, which is what was asked for.
            if not whole:
                return bytes(body), True
            if isinstance(error, Unobservable):
                raise
            raise Unobservable(f"the body from {place} ended early: {_lower(error)}") from error
        return bytes(body), False

    def _connections(self, verify: bool) -> KeptConnections:
        with self._lock:
            if verify not in self._kept:
                self._kept[verify] = KeptConnections(
                    partial(
                        httpcore.HTTPConnection,
                        ssl_context=network.client_context(self._session, verify=verify),
                        keepalive_expiry=5.0,
                        local_address=self._source,
                        network_backend=network.Backend(self._session.scope),
                    )
                )
            return self._kept[verify]

    def _reveal_quoted(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            placeholder = unquote(match.group())
            revealed = self._session.redactor.reveal(placeholder)
            return match.group() if revealed == placeholder else quote(revealed, safe="")

        return _PLACEHOLDER.sub(value, text) if "redacted" in text else text

    def _reveal_deep(self, value: object) -> object:
        if isinstance(value, str):
            return self._session.redactor.reveal(value)
        if isinstance(value, Mapping):
            return {self._session.redactor.reveal(str(key)): self._reveal_deep(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._reveal_deep(item) for item in value]
        return value


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python takes and JSON has not (RFC 8259 §6)."""
    raise ValueError(f"{name} is no JSON")


def _bounded(response: httpcore.Response) -> Iterator[bytes]:
    total = 0
    for chunk in response.iter_stream():
        total += len(chunk)
        if total > MAX_BODY:
            raise TooLarge(f"the body is larger than {MAX_BODY // 1024**2} MiB")
        yield chunk


def _left_over(response: httpcore.Response) -> bool:
    """Whether more came than the answer, which must not pass for the answer to what the connection is used for next.

    httpcore keeps it and does not tell (1.0): where its insides are others, no connection is used again, which is slow and safe.
    """
    stream: Any = response.stream
    try:
        return bool(stream._connection._h11_state.trailing_data[0])  # noqa: SLF001  (no public way to it)
    except AttributeError:
        return True


def agent(contact: str | None) -> str:
    """How the harness presents itself: product, version, what it does, and whom to ask."""
    return f"upheld/{_version()} (security audit{f'; {contact}' if contact else ''})"


def _version() -> str:
    try:
        return metadata.version("upheld")
    except metadata.PackageNotFoundError:
        return "0"  # Run from a source tree that is not installed.


def _port(url: httpcore.URL) -> int:
    return url.port or (443 if url.scheme == b"https" else 80)


def _lower(error: BaseException) -> str:
    text = str(error).strip().rstrip(".") or type(error).__name__
    return text[:1].lower() + text[1:200]
