"""Bodies as they came: decompression that a bomb cannot fill the memory with, and the character set."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Sequence
from email.message import Message
from functools import lru_cache

from upheld.errors import Unobservable

_LAYERS = 2
_SHORT = 200


class TooLarge(Unobservable):
    """A body is larger than what is read of one."""


class Decoder:
    """Undoes one after the other of the encodings of a body, up to a limit of bytes."""

    def __init__(self, layers: Sequence[_Inflate], limit: int) -> None:
        self._layers = layers
        self._limit = limit
        self._total = 0

    def feed(self, chunk: bytes) -> bytes:
        """What `chunk` unpacks to; raises TooLarge past the limit, Unobservable for damaged data."""
        for layer in self._layers:
            chunk = layer.feed(chunk, self._limit)
        self._total += len(chunk)
        if self._total > self._limit:
            raise TooLarge(f"the body is larger than {self._limit // 1024**2} MiB when decompressed")
        return chunk

    def end(self) -> None:
        """Say that the body is over; raises Unobservable when the compressed data is not."""
        for layer in self._layers:
            layer.end()


class _Inflate:
    """gzip, of one or more members, or deflate, with its zlib header or without, as servers send both."""

    def __init__(self, encoding: str) -> None:
        self._bits = zlib.MAX_WBITS if encoding == "deflate" else zlib.MAX_WBITS | 32
        self._object = zlib.decompressobj(self._bits)
        self._started = False

    def feed(self, chunk: bytes, limit: int) -> bytes:
        unpacked = bytearray()
        while chunk:
            if self._object.eof:
                # What follows a whole member is another one; to stop here would hide the rest of the page.
                self._object = zlib.decompressobj(self._bits)
            unpacked += self._unpack(chunk, limit + 1)
            if self._object.unconsumed_tail or len(unpacked) > limit:
                raise TooLarge(f"the body is larger than {limit // 1024**2} MiB when decompressed")
            chunk = self._object.unused_data
        return bytes(unpacked)

    def _unpack(self, chunk: bytes, limit: int) -> bytes:
        first, self._started = not self._started, True
        try:
            return self._object.decompress(chunk, limit)
        except zlib.error as error:
            if first and self._bits == zlib.MAX_WBITS:
                self._bits = -zlib.MAX_WBITS
                self._object = zlib.decompressobj(self._bits)
                return self._unpack(chunk, limit)
            raise Unobservable("the compressed body is damaged") from error

    def end(self) -> None:
        if self._started and not self._object.eof:
            raise Unobservable("the compressed body ends early")


def decoder(encodings: str, limit: int) -> Decoder:
    """A decoder for the value of Content-Encoding; raises Unobservable for an encoding that was not asked for."""
    names = [name.strip().lower() for name in encodings.split(",") if name.strip().lower() not in {"", "identity"}]
    if len(names) > _LAYERS:
        raise Unobservable(f"the body is encoded {len(names)} times over")
    for name in names:
        if name not in {"gzip", "x-gzip", "deflate"}:
            raise Unobservable(f"the body is encoded as {name[:40]}, which was not asked for")
    return Decoder([_Inflate(name) for name in reversed(names)], limit)


def content_parameters(content_type: str) -> dict[str, str]:
    """The parameters of a Content-Type, names in lower case."""
    message = Message()
    message["content-type"] = re.sub(r"[\r\n]", " ", content_type)[:1000]
    return {str(key).lower(): str(value) for key, value in (message.get_params() or [])[1:]}


def charset(content_type: str) -> str:
    """The character set that a Content-Type names, where Python knows it as one of text; UTF-8 otherwise."""
    # Servers say the same of nearly every answer; what is long is no name worth keeping.
    return _charset(content_type) if len(content_type) <= _SHORT else _charset.__wrapped__(content_type)


@lru_cache(maxsize=256)
def _charset(content_type: str) -> str:
    name = content_parameters(content_type).get("charset", "utf-8")
    try:
        found = codecs.lookup(name)
        # Some codecs (zlib, rot13) are no character sets, and would unpack or fail.
        b"".decode(found.name)
    except (LookupError, ValueError, UnicodeError):
        return "utf-8"
    return found.name
