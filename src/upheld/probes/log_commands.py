"""What a program prints, read while it runs: under a deadline, in constant memory, and with what it said of failing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import IO, Any, cast

from upheld.errors import TimedOut, Unobservable
from upheld.probes.host_connection import kept_environment

_SAID = 4096
"""Bytes of what a program says of itself that are kept."""


@contextmanager
def streamed(
    command: str | list[str],
    seconds: float,
    *,
    incomplete: re.Pattern[str] | None = None,
    both: bool = False,
    errors: bool = False,
    codes: Mapping[int, str] | None = None,
) -> Iterator[IO[bytes]]:
    """The standard output of a program (or of a shell's line), with `both` its standard error too, with `errors` that alone.

    Raises Unobservable when it was read to its end and the program failed, or said something that `incomplete` matches; TimedOut when
    it did not end in time. Whoever stops reading before the end hears nothing of how it would have ended. `codes` says what some of
    its exit codes mean.
    """
    late = threading.Event()
    try:
        process = subprocess.Popen(
            command,
            shell=isinstance(command, str),  # nosec B602  (a line that the target file gives)
            env=kept_environment() | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if errors else subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        name = command[0] if isinstance(command, list) else "the shell"
        raise Unobservable(f"{name} cannot be run: {getattr(error, 'strerror', None) or error}") from error

    def end() -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def give_up() -> None:
        late.set()
        end()

    said = bytearray()
    apart = process.stderr if not errors else None
    listener = threading.Thread(target=_listen, args=(apart, said), daemon=True) if apart else None
    timer = threading.Timer(max(0.0, seconds), give_up)
    timer.daemon = True
    timer.start()
    if listener:
        listener.start()
    out = cast("IO[bytes]", _Tail(cast("IO[bytes]", process.stderr if errors else process.stdout)))
    failed: BaseException | None = None
    try:
        yield out
    except (OSError, EOFError, ValueError) as error:
        # What was cut off in the middle is explained by how the program ended, if it failed.
        failed = error
        raise
    finally:
        tail = cast("_Tail", out)
        if tail.ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        timer.cancel()
        end()
        process.wait()
        if listener:
            listener.join(1)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if late.is_set():
            raise TimedOut(f"it was not read within {seconds:.0f} s") from failed
        text = bytes(tail.last if both or errors else said).decode("utf-8", "replace")
        if tail.ended and process.returncode:
            meant = (codes or {}).get(process.returncode) or shown(text)
            raise Unobservable(meant or f"the program ended with {process.returncode}") from failed
        if tail.ended and incomplete is not None and (match := incomplete.search(text)):
            raise Unobservable(shown(text[match.start() :]))


def output_of(
    command: str | list[str], seconds: float, *, limit: int, both: bool = False, codes: Mapping[int, str] | None = None
) -> bytes:
    """All that a program printed; raises as `streamed` does, and Unobservable for more than `limit` bytes."""
    with streamed(command, seconds, both=both, codes=codes) as stream:
        text = bytearray()
        while chunk := stream.read(1 << 16):
            text += chunk
            if len(text) > limit:
                raise Unobservable(f"it printed more than {limit:,} bytes")
    return bytes(text)


def shown(text: str) -> str:
    """The last line of what a program said, without what a terminal would act on."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(c if c.isprintable() else " " for c in lines[-1])[:300] if lines else ""


class Lines:
    """Lines as a stream that can be read in pieces or line by line."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        """Reads nothing yet."""
        self._lines = lines
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes, nothing at the end."""
        pieces, length = [self._rest], len(self._rest)
        self._rest = b""
        while (size < 0 or length < size) and (line := next(self._lines, b"")):
            pieces.append(line)
            length += len(line)
        return b"".join(pieces)

    def readline(self, size: int = -1) -> bytes:
        """One line, or the first `size` bytes of what is left of it."""
        line = self._rest or next(self._lines, b"")
        self._rest = line[size:] if 0 <= size < len(line) else b""
        return line[:size] if size >= 0 else line


class OneAfterAnother:
    """Streams as one: each is opened when the one before has come to its end, and closed when its own has."""

    def __init__(self, opened: Iterator[AbstractContextManager[IO[bytes]]]) -> None:
        """Opens nothing yet."""
        self._next = opened
        self._stack = ExitStack()
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes]:
        return cast("IO[bytes]", self)

    def __exit__(self, *raised: object) -> bool | None:
        return self._stack.__exit__(*cast("Any", raised))

    def read(self, size: int = -1) -> bytes:
        """As of any stream, of one of them at a time."""
        return self._piece(lambda stream: stream.read(size))

    def readline(self, size: int = -1) -> bytes:
        """As of any stream."""
        return self._piece(lambda stream: stream.readline(size))

    def _piece(self, read: Callable[[IO[bytes]], bytes]) -> bytes:
        while True:
            if self._stream is None:
                following = next(self._next, None)
                if following is None:
                    return b""
                self._stream = self._stack.enter_context(following)
            if piece := read(self._stream):
                return piece
            self._stream = None
            self._stack.close()


class _Tail:
    """A stream that remembers whether its end was met, and the last bytes before it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.ended = False
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """As of any stream."""
        return self._kept(self._stream.read(size), size)

    def readline(self, size: int = -1) -> bytes:
        """As of any stream."""
        return self._kept(self._stream.readline(size), size)

    def _kept(self, piece: bytes, size: int) -> bytes:
        self.ended = self.ended or (not piece and size != 0)
        if piece:
            self.last = (self.last + piece[-_SAID:])[-_SAID:]
        return piece

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _listen(stream: IO[bytes], said: bytearray) -> None:
    """Keep the beginning of what a program says, and let the rest of it go."""
    with contextlib.suppress(OSError, ValueError):
        while piece := stream.read(1024):
            said.extend(piece[: max(0, _SAID - len(said))])
