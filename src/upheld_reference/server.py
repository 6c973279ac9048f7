"""The server process: ``python -m upheld_reference.server --folder FOLDER [--sabotage NAME]...``.

It prints ``ready`` once everything serves, and runs until SIGTERM, SIGINT or SIGHUP, or until its parent is gone: then
it stops everything and removes the folder. Exit codes: 0 stopped in order, 1 could not start, 2 wrongly called.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import os
import shutil
import signal
import stat
import sys
import traceback
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

from upheld_reference.platform import Platform
from upheld_reference.postgres import Postgres
from upheld_reference.sabotages import SabotageError
from upheld_reference.settings import Settings

_PARENT_SECONDS = 1.0
_GARBAGE_OBJECTS = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one deployment to its end and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m upheld_reference.server", description="Runs one deployment.")
    parser.add_argument("--folder", type=Path, required=True, help="a new or empty folder; it is removed at the end")
    parser.add_argument("--sabotage", action="append", default=[], metavar="NAME", help="a defect to start with")
    options = parser.parse_args(arguments)
    folder: Path = options.folder.absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        parser.error(f"{folder} is not empty; it would be removed at the end")
    return uvloop.run(_serve(folder, options.sabotage))


async def _serve(folder: Path, names: Sequence[str]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    parent = asyncio.create_task(_watch_parent(stop), name="parent")
    parts = contextlib.AsyncExitStack()
    try:
        async with parts:
            await _until(stop, _start(folder, names, parts))
            await stop.wait()
    except SabotageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception:  # told to whoever started this process, as its last words
        traceback.print_exc()
        return 1
    finally:
        parent.cancel()
    return 0


async def _start(folder: Path, names: Sequence[str], parts: contextlib.AsyncExitStack) -> None:
    """Starts everything and says so; ``parts`` learns how to end each part, the last first."""
    gc.disable()  # A start leaves next to no garbage, and makes a great many objects.
    gc.set_threshold(_GARBAGE_OBJECTS)
    parts.callback(shutil.rmtree, folder, ignore_errors=True)
    _make_folders(folder)
    postgres = Postgres(folder, folder / "logs" / "postgres.log")
    parts.push_async_callback(asyncio.to_thread, postgres.stop)
    postgres.start()
    # The imports take about as long as PostgreSQL's start, so they go side by side.
    module = await asyncio.to_thread(importlib.import_module, "upheld_reference.assembly")
    assembly = module.Assembly(Platform(Settings(folder=folder)), postgres, names)
    parts.push_async_callback(assembly.stop)
    await assembly.start()
    # What is there now stays to the end, and need not be gone through whenever garbage is looked for.
    gc.freeze()
    gc.enable()
    print("ready", flush=True)


def _make_folders(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # PostgreSQL runs under another account when this process is root's: it has to get through, but not to look round.
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    for name in ("logs", "exports", "secrets"):
        (folder / name).mkdir(mode=0o700)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Awaits ``work``, or gives it up when ``stop`` is set before it is done."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working in done:
        working.result()
        return
    working.cancel()
    await asyncio.wait({working})


async def _watch_parent(stop: asyncio.Event) -> None:
    """Sets ``stop`` when the pipe on standard input is closed, or when another process has become the parent."""
    parent = os.getppid()
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        asyncio.get_running_loop().add_reader(0, _read_parent, stop)
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_SECONDS)
    stop.set()


def _read_parent(stop: asyncio.Event) -> None:
    if not os.read(0, 1024):
        asyncio.get_running_loop().remove_reader(0)
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
