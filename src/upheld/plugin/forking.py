"""Worker processes that are forked from a process which has imported everything, so that not each of them imports it all again.

pytest-xdist starts a worker as a program and talks to it over its standard input and output. Here that program is `knocking`, which
hands those streams over to the process that forks; pytest-xdist waits for it, and kills it, as for any other. Linux only: elsewhere
libraries are known not to stand a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import select
import shlex
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from execnet.gateway_base import get_execmodel, init_popen_io, serve

from upheld.catalogue import Catalogue
from upheld.plugin import knocking

_SOCKET = "workers.sock"
_STREAMS = 3
_GARBAGE_OBJECTS = 10_000
"""New objects after which a worker looks for garbage; by default Python does so after 700."""
_warm: tuple[tuple[Path, ...], Catalogue] | None = None


def catalogue_of(folders: tuple[Path, ...]) -> Catalogue | None:
    """The checks of these folders, where the process that this one was forked from had loaded them; else None."""
    return _warm[1] if _warm is not None and _warm[0] == folders else None


@contextlib.contextmanager
def forked_workers(scratch: Path, folders: tuple[Path, ...], catalogue: Catalogue) -> Iterator[str | None]:
    """How pytest-xdist starts workers that are forked from what this process is now; None where that cannot be.

    `scratch` is a folder that nobody else may look into; the `catalogue` holds the checks of `folders`.
    """
    begun = None
    # What another thread holds at this moment would be held for ever in a fork.
    if sys.platform == "linux" and threading.active_count() == 1:
        # A path that is too long for a socket, no room for one more process: pytest-xdist does without.
        with contextlib.suppress(OSError):
            begun = _begun(scratch / _SOCKET, folders, catalogue)
    if begun is None:
        yield None
        return
    pid, alive = begun
    try:
        python = shlex.join([sys.executable, "-I", "-S", knocking.__file__, str(scratch / _SOCKET)])
        yield f"popen//python={python}"
    finally:
        os.close(alive)
        os.waitpid(pid, 0)
        gc.unfreeze()


def _begun(path: Path, folders: tuple[Path, ...], catalogue: Catalogue) -> tuple[int, int]:
    """The process that forks workers, and the pipe that it lives as long as; raises OSError."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(os.fsencode(path))
        door.listen()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # Nothing that is there now goes away, and what is not looked at stays shared.
        gc.freeze()
        gone, alive = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(gone)
            os.close(alive)
            raise
        if pid == 0:
            _as_itself(lambda: _open(door, gone, folders, catalogue))
        os.close(gone)
        return pid, alive


def _as_itself(work: Callable[[], None]) -> NoReturn:
    """Do the work of a forked process, which never comes back to what it was forked from."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # Nobody is left who could hear of it.
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


def _open(door: socket.socket, gone: int, folders: tuple[Path, ...], catalogue: Catalogue) -> None:
    """Fork a worker for everybody who knocks, until the process that all this is for is gone."""
    global _warm  # noqa: PLW0603  (set once, in a process whose only work this is)
    _warm = folders, catalogue
    gc.set_threshold(_GARBAGE_OBJECTS)
    atexit._clear()  # noqa: SLF001  (what is registered is for the other process to do)
    _keep_only({*range(_STREAMS), door.fileno(), gone})
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that those that end are not kept for anybody to ask
    while True:
        ready, _, _ = select.select([door.fileno(), gone], [], [])
        if gone in ready:
            return
        knock, _ = door.accept()
        with knock:
            _, streams, _, _ = socket.recv_fds(knock, 1, _STREAMS)
            if len(streams) == _STREAMS and os.fork() == 0:
                door.close()
                os.close(gone)
                _as_itself(lambda: _work(knock, streams))  # noqa: B023  (it is called at once)
            for one in streams:
                os.close(one)


def _work(knock: socket.socket, streams: list[int]) -> None:
    """Be the worker: serve execnet, as what it has just sent would, were it not loaded already."""
    for number, one in enumerate(streams):
        os.dup2(one, number)
        os.close(one)
    sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115  (for as long as the process lives)
    sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    sys.argv = ["-c"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(knock,), daemon=True).start()
    sys.stdin.readline()  # The program text of what is imported above.
    model = get_execmodel("main_thread_only")
    pipe = init_popen_io(model)
    pipe.write(b"1")
    serve(pipe, id="forked-worker")  # type: ignore[arg-type]  # as execnet itself calls it
    atexit._run_exitfuncs()  # noqa: SLF001  (as the end of a process does)


def _end_with(knock: socket.socket) -> None:
    """End when whoever knocked was killed."""
    with contextlib.suppress(OSError):
        knock.recv(1)
    os._exit(1)


def _keep_only(wanted: set[int]) -> None:
    """Close every other descriptor: locks and pipes belong to the process that was forked from."""
    for one in list(Path("/proc/self/fd").iterdir()):
        if int(one.name) not in wanted:
            with contextlib.suppress(OSError):
                os.close(int(one.name))
