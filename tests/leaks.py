"""Whether a secret shows in files, whatever they are packed in and however it is spelt."""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

from ahocorasick_rs import BytesAhoCorasick

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{60,}={0,2}")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_DEEPEST = 4


def spellings(fragment: str) -> Iterator[str]:
    """A piece of a secret as it is, for URLs, JSON (twice), HTML and Python, in hexadecimal, and in base64 wherever it may begin."""
    raw = fragment.encode()
    escaped = json.dumps(fragment)[1:-1]
    yield from (fragment, escaped, json.dumps(escaped)[1:-1], html.escape(fragment), repr(fragment)[1:-1], raw.hex())
    yield from (quote(fragment, safe=""), quote(fragment), quote_plus(fragment))
    for offset in range(3):
        packed = base64.b64encode(b"\0" * offset + raw).decode()
        inner = packed[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


class Finder:
    """Looks for the fragments of many secrets at once, letter case apart."""

    def __init__(self, fragments: Mapping[str, Iterable[str]]) -> None:
        """`fragments` are the pieces of each secret that must not show, by what the secret is called."""
        self._names: dict[bytes, str] = {}
        for name, pieces in fragments.items():
            for piece in pieces:
                for spelled in spellings(piece):
                    self._names.setdefault(spelled.lower().encode(), name)
        self._patterns = list(self._names)
        self._automaton = BytesAhoCorasick(self._patterns)

    def found(self, data: bytes) -> set[str]:
        """The names of the secrets of which something shows in these bytes, unpacked as far as they can be."""
        return {
            self._names[self._patterns[index]]
            for part in unpacked(data)
            for index, _, _ in self._automaton.find_matches_as_indexes(part.lower())
        }


def unpacked(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes, and whatever is packed in them: parts of a ZIP file, what was deflated, streams and text of a PDF, base64."""
    yield data
    if depth > _DEEPEST:
        return
    inner: list[bytes] = []
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            inner += [packed.read(name) for name in packed.namelist()]
            inner.append("\n".join(packed.namelist()).encode())
    elif data.startswith(b"\x1f\x8b"):
        inner.append(gzip.decompress(data))
    elif data.startswith(b"%PDF-"):
        inner += [_inflated(one) for one in _STREAM.findall(data)]
        inner.append(_text_of_pdf(data))
    for one in set(_BASE64.findall(data)):
        for packed in (one, one.replace(b"-", b"+").replace(b"_", b"/")):
            try:
                inner.append(base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True))
                break
            except binascii.Error:
                continue
    for one in inner:
        yield from unpacked(one, depth + 1)


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream


def _text_of_pdf(data: bytes) -> bytes:
    import pypdf

    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    text = "\n".join(page.extract_text() for page in pages)
    return text.encode("utf-8", "backslashreplace") + "".join(text.split()).encode("utf-8", "backslashreplace")


def contents(*folders: Path) -> dict[str, bytes]:
    """Every file in the folders, and the names of all of them, which are an output too."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {str(path): path.read_bytes() for path in files}
    found["the names of files"] = "\n".join(found).encode()
    return found
