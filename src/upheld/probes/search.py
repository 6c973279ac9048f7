r"""Searching streams of bytes for secrets in every spelling that logs give them, in constant memory.

Every needle becomes many patterns (as it is, JSON-escaped, URL-encoded, HTML-escaped, hexadecimal, base64 at each
alignment, halves), and one Aho-Corasick automaton looks for all of them at once. The text is searched twice: as it is but
for letter case, and squeezed: without terminal escapes, white space and NUL bytes, and with character escapes resolved.
That finds what is wrapped, coloured, spelt `\u0041` or written in UTF-16.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

from ahocorasick_rs import BytesAhoCorasick

SHORTEST = 8
"""Needles shorter than this many characters are refused: they turn up by chance."""
HITS_KEPT = 100
"""Hits of one stream that are kept; further ones are only counted."""

_LONG = 24  # From here on a half of a needle is a leak of its own, and still cannot turn up by chance.
_OVERLAP = 64 * 1024
_LOCATED = 20
_SOUGHT = 400
"""Hidden occurrences that are sought in one stream: each costs many passes over a window, and a log can be full of them."""
_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|[()][0-9a-z])")
_ESCAPE = re.compile(
    rb"(?<!\\)\\++(?:u(?:[0-9a-f]{4}|\{[0-9a-f]{1,6}\})|x[0-9a-f]{2}|[nrt])|%(?:25){0,4}[0-9a-f]{2}|&#(?:x[0-9a-f]{1,6}|[0-9]{1,7});"
)
_WHITE = b" \t\r\n\x0b\x0c\0"


@dataclass(frozen=True, slots=True)
class Found:
    """One occurrence: which needle (its index), in what spelling, on which line (from 1), and the bytes around it."""

    needle: int
    encoding: str
    line: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Searched:
    """What one stream came to: the occurrences that were kept, how many there were, and how much was read.

    Of a stream with very many occurrences those that only its squeezed form shows are not all counted.
    """

    found: tuple[Found, ...]
    count: int
    bytes: int
    lines: int


@dataclass(frozen=True, slots=True)
class _Pattern:
    needle: int
    encoding: str
    text: bytes


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    pattern: _Pattern
    how: str

    def meets(self, other: _Span) -> bool:
        """Whether both are of one needle and share bytes."""
        return self.pattern.needle == other.pattern.needle and self.start < other.end and other.start < self.end


class _Apart:
    """Stretches of which none shares a byte with another."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def takes(self, start: int, end: int) -> bool:
        """Whether the stretch shares no byte with those that are there; then it is one of them."""
        place = bisect_left(self._starts, start)
        if (place and self._ends[place - 1] > start) or (place < len(self._starts) and self._starts[place] < end):
            return False
        self._starts.insert(place, start)
        self._ends.insert(place, end)
        return True


class _Near:
    """The occurrences that are known by the needle and by where they start, and those that were found since."""

    def __init__(self, known: Sequence[_Span]) -> None:
        self.found: list[_Span] = []
        self._known: dict[int, list[_Span]] = {}
        for span in sorted(known, key=lambda span: span.start):
            self._known.setdefault(span.pattern.needle, []).append(span)
        self._starts = {needle: [span.start for span in spans] for needle, spans in self._known.items()}
        self._longest = max((span.end - span.start for span in known), default=0)

    def holds(self, span: _Span) -> bool:
        """Whether one of them shares bytes with `span`, is of its needle and of a spelling that is no shorter."""
        starts = self._starts.get(span.pattern.needle, [])
        first, last = bisect_left(starts, span.start - self._longest), bisect_left(starts, span.end)
        nearby = (*self.found, *self._known.get(span.pattern.needle, [])[first:last])
        return any(span.meets(other) and len(other.pattern.text) >= len(span.pattern.text) for other in nearby)


class Searcher:
    """Looks for needles; may be used for any number of streams."""

    def __init__(self, needles: Sequence[str], *, spellings: bool = True, window: int = 1 << 20) -> None:
        """`spellings` off looks for the needles as they are, but for letter case; `window` is how many bytes are searched at once.

        Raises ValueError for a needle that is too short.
        """
        for needle in needles:
            if len(needle) < SHORTEST:
                raise ValueError(f"a needle is shorter than {SHORTEST} characters")
        self._needles = [needle.encode() for needle in needles]
        self._spellings = spellings
        self._window = window
        patterns: dict[tuple[int, bytes], _Pattern] = {}
        for index, needle in enumerate(needles):
            for encoding, text in _spellings(needle) if spellings else [("plain", needle.encode())]:
                lowered = text.lower()
                for form in (lowered, lowered.translate(None, _WHITE)) if spellings else (lowered,):
                    patterns.setdefault((index, form), _Pattern(index, encoding, form))
        self._patterns = list(patterns.values())
        self._automaton = BytesAhoCorasick([pattern.text for pattern in self._patterns]) if patterns else None
        longest = max((len(pattern.text) for pattern in self._patterns), default=0)
        self._overlap = max(_OVERLAP, longest * 16) if spellings else max(longest, 256)

    def stream(self, chunks: Iterable[bytes]) -> Searched:
        """Search the stream that `chunks` make up; memory is bounded by `window` and the size of a chunk."""
        kept: list[Found] = []
        sought = [0]
        count = size = lines = 0
        last = b"\n"
        buffer, begin, before = (
            b"",
            0,
            0,
        )  # The lines before the buffer, and from where on in it nothing was reported yet.
        for piece, final in self._windows(chunks):
            buffer += piece
            size += len(piece)
            lines += piece.count(b"\n")
            last = piece[-1:] or last
            # What starts near the end may go on in the next window, and be the whole of what looks like a part here.
            end = len(buffer) if final else max(begin, len(buffer) - self._overlap)
            for span in self._spans(buffer, sought):
                if begin <= span.start < end:
                    count += 1
                    if len(kept) < HITS_KEPT:
                        kept.append(self._describe(buffer, span, before))
            cut = max(0, end - self._overlap)
            before += buffer.count(b"\n", 0, cut)
            buffer, begin = buffer[cut:], end - cut
        return Searched(tuple(kept), count, size, lines + (last != b"\n"))

    def _windows(self, chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
        """The stream in pieces of at least a window's size, and whether a piece is the last one."""
        pending: list[bytes] = []
        size = 0
        for chunk in chunks:
            pending.append(chunk)
            size += len(chunk)
            if size >= self._window:
                yield b"".join(pending), False
                pending, size = [], 0
        yield b"".join(pending), True

    def encodings_in(self, data: bytes) -> tuple[tuple[int, str], ...]:
        """Which needles (by index) `data` holds, each with the spelling in which it does, each pair once."""
        return tuple(dict.fromkeys((one.needle, one.encoding) for one in self.stream([data]).found))

    def _spans(self, buffer: bytes, sought: list[int]) -> list[_Span]:
        """All occurrences in `buffer`, in order, none inside another of its needle; `sought` counts those that were hidden."""
        lowered = buffer.lower()
        spans = [_Span(start, end, pattern, "") for pattern, start, end in self._matches(lowered)]
        if self._spellings:
            spans += self._hidden(lowered, spans, sought)
        apart: dict[int, _Apart] = {}
        kept = [
            span
            for span in sorted(spans, key=lambda span: (-len(span.pattern.text), span.start))
            if apart.setdefault(span.pattern.needle, _Apart()).takes(span.start, span.end)
        ]
        return sorted(kept, key=lambda span: span.start)

    def _matches(self, text: bytes) -> Iterator[tuple[_Pattern, int, int]]:
        if self._automaton is not None:
            for index, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
                yield self._patterns[index], start, end

    def _hidden(self, lowered: bytes, known: Sequence[_Span], sought: list[int]) -> Iterator[_Span]:
        """The occurrences that only the squeezed text shows, found again in the text itself by bisection."""
        seen: dict[int, int] = {}
        for span in known:
            seen[id(span.pattern)] = seen.get(id(span.pattern), 0) + 1
        squeezed: dict[int, tuple[_Pattern, int]] = {}
        for pattern, _, _ in self._matches(_squeeze(lowered)):
            squeezed[id(pattern)] = (pattern, squeezed.get(id(pattern), (pattern, 0))[1] + 1)
        near = _Near(known)
        # Whole spellings before halves, so that a half inside a whole is not located again.
        for pattern, times in sorted(squeezed.values(), key=lambda one: -len(one[0].text)):
            if times <= seen.get(id(pattern), 0):
                continue
            for nth in range(1, min(times, _LOCATED) + 1):
                sought[0] += 1
                if sought[0] > _SOUGHT:
                    return
                start, end = _locate(lowered, pattern.text, nth)
                span = _Span(start, end, pattern, _how(lowered[start:end]))
                if not near.holds(span):
                    near.found.append(span)
                    yield span

    def _describe(self, buffer: bytes, span: _Span, lines: int) -> Found:
        encoding = span.pattern.encoding
        if encoding == "plain" and not span.how and self._needles[span.pattern.needle] != buffer[span.start : span.end]:
            encoding = "case changed"
        if span.how:
            encoding = span.how if encoding == "plain" else f"{encoding}, {span.how}"
        begin = buffer.rfind(b"\n", 0, span.start) + 1
        stop = buffer.find(b"\n", span.end)
        return Found(
            needle=span.pattern.needle,
            encoding=encoding,
            line=lines + buffer.count(b"\n", 0, span.start) + 1,
            before=buffer[max(begin, span.start - 160) : span.start],
            after=buffer[span.end : min(len(buffer) if stop < 0 else stop, span.end + 80)],
        )


def _spellings(needle: str) -> Iterator[tuple[str, bytes]]:
    """The spellings of `needle` with their names, the plainest first."""
    raw = needle.encode()
    yield "plain", raw
    yield "JSON-escaped", json.dumps(needle)[1:-1].encode()
    yield "URL-encoded", quote(needle, safe="").encode()
    yield "URL-encoded", quote_plus(needle).encode()
    yield "HTML-escaped", html.escape(needle).encode()
    yield "hexadecimal", raw.hex().encode()
    for piece in _base64_pieces(raw):
        yield "base64", piece
    if re.fullmatch(r"eyJ[\w-]+\.[\w-]+\.[\w-]{16,}", needle):
        # Header and payload of a JSON web token are no secret, its signature is.
        yield "part of it", needle.rpartition(".")[2].encode()
    elif len(raw) >= _LONG:
        yield "part of it", raw[: len(raw) // 2]
        yield "part of it", raw[-(len(raw) // 2) :]


def _base64_pieces(raw: bytes) -> Iterator[bytes]:
    """What every base64 text around `raw` holds: for each alignment, the characters that depend on nothing but `raw`."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        piece = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        yield piece
        yield piece.translate(bytes.maketrans(b"+/", b"-_"))


def _squeeze(lowered: bytes) -> bytes:
    if b"\x1b" in lowered:
        lowered = _ANSI.sub(b"", lowered)
    if b"\0" in lowered:
        lowered = lowered.replace(b"\0", b"")
    if b"\\" in lowered or b"%" in lowered or b"&#" in lowered:
        lowered = _ESCAPE.sub(_resolved, lowered)
    return lowered.translate(None, _WHITE)


def _resolved(match: re.Match[bytes]) -> bytes:
    return _character(match.group())


@lru_cache(maxsize=4096)
def _character(escape: bytes) -> bytes:
    """What one escape stands for, in lower case; nothing for an escaped line break."""
    digits = re.search(rb"([0-9a-f]+)[};]?$", escape)
    if digits is None or escape[-2:] in {b"\\n", b"\\r", b"\\t"}:
        return b""
    if escape.startswith(b"%"):
        return bytes([int(escape[-2:], 16)]).lower()
    code = int(digits[1], 10 if escape.startswith(b"&#") and not escape.startswith(b"&#x") else 16)
    if code < 128 or escape.lstrip(b"\\").startswith(b"x"):
        return bytes([code]).lower()
    return chr(min(code, 0x10FFFF)).encode("utf-8", "surrogatepass")


def _locate(lowered: bytes, pattern: bytes, nth: int) -> tuple[int, int]:
    """Where the `nth` occurrence of `pattern` in the squeezed text stands in the text itself, as start and end."""

    def first(low: int, high: int, holds: Callable[[int], bool]) -> int:
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle + 1, high)
        return low

    end = first(0, len(lowered), lambda stop: _squeeze(lowered[:stop]).count(pattern) >= nth)
    low = max(0, end - _OVERLAP)
    # The last start from which the pattern is still whole, sought as the first from which it no longer is.
    start = first(low, end, lambda begin: pattern not in _squeeze(lowered[begin:end])) - 1
    return max(low, start), end


_SIGNS = (
    ("split by ANSI escapes", re.compile(rb"\x1b")),
    ("UTF-16", re.compile(rb"\0")),
    ("\\u escapes", re.compile(rb"\\+[ux][0-9a-f{]")),
    ("URL-encoded", re.compile(rb"%[0-9a-f]{2}")),
    ("HTML-escaped", re.compile(rb"&#")),
    ("split by line wraps", re.compile(rb"[\r\n\\]")),
)


def _how(text: bytes) -> str:
    """In what way `text` hides a needle that only its squeezed form shows."""
    return next((name for name, sign in _SIGNS if sign.search(text)), "split by spaces")
