"""The logs that a source of the target's description comes to, at this moment."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import Unobservable
from upheld.probes.log_containers import ContainerLog
from upheld.probes.log_files import UNREADABLE, AnyFile, LocalFile, unread, with_rotated
from upheld.probes.log_journal import Journal
from upheld.probes.log_places import KeptLog, Reach, remote_files
from upheld.probes.log_pods import Cluster

if TYPE_CHECKING:
    from upheld.probes.scope import Scope
    from upheld.target.logs import LogSource

FILES_LIMIT = 10_000
"""Files of one source that are read at the most; more are Unobservable."""

Listed = tuple[AnyFile | KeptLog | None, str, str]
"""A log with its name, or None with a name (empty for the source as a whole) and the reason why there is none to read."""


def logs_of(
    source: LogSource, folder: Path, scope: Scope, seconds: float, pace: Callable[[], None]
) -> Iterator[Listed]:
    """Each log of a source. `folder` is where the target's file lies, `seconds` are for one command, before which `pace` is called."""
    reach = Reach(source, scope, seconds, pace)
    try:
        if source.journald is not None:
            journal = Journal(reach, source.journald)
            yield journal, journal.name, ""
        elif source.docker is not None:
            output = ContainerLog(reach, source.docker, local=source.connection is None)
            yield output, output.name, ""
        elif source.kubectl is not None:
            yield from Cluster(reach, source.kubectl).logs()
        elif source.connection is not None:
            yield from _remote(reach, source.path or "", source.connection)
        else:
            yield from _local(source.path or "", folder)
    except Unobservable as unobservable:
        yield None, "", unobservable.reason


def _local(pattern: str, folder: Path) -> Iterator[Listed]:
    base, rest = _base(folder / pattern)
    try:
        paths = sorted({path for one in with_rotated(rest) for path in base.glob(one)})
    except (OSError, ValueError, NotImplementedError) as error:
        yield None, "", f"its path cannot be listed: {type(error).__name__}"
        return
    count = 0
    for path in paths:
        name = str(path.relative_to(base))
        try:
            about = path.stat()
        except OSError as error:
            yield None, name, unread(error)
            continue
        if stat.S_ISDIR(about.st_mode):
            continue
        count += 1
        if not stat.S_ISREG(about.st_mode):
            yield None, name, "it is no regular file"
        elif path.suffix.lower() in UNREADABLE:
            yield None, name, f"it is compressed in a way that cannot be read here ({path.suffix})"
        elif count > FILES_LIMIT:
            yield None, name, f"there are more than {FILES_LIMIT} log files"
        else:
            yield LocalFile(path, about.st_size, f"{about.st_dev}:{about.st_ino}", about.st_mtime), name, ""
    if not count:
        yield None, "", f"no file at {pattern}"


def _remote(reach: Reach, pattern: str, connection: str) -> Iterator[Listed]:
    folder, _, last = pattern.rpartition("/")
    patterns = tuple(f"{folder}/{one}" for one in with_rotated(last))
    count = 0
    for path, file in remote_files(reach, patterns, FILES_LIMIT):
        count += 1
        suffix = Path(path).suffix
        if file is None:
            yield None, path, "it is no regular file"
        elif suffix.lower() in UNREADABLE:
            yield None, path, f"it is compressed in a way that cannot be read here ({suffix})"
        else:
            yield file, path, ""
    if not count:
        yield None, "", f"no file at {pattern} through {connection}"


def _base(path: Path) -> tuple[Path, str]:
    """The folder in which a pattern starts and the pattern from there on."""
    whole = path.absolute()
    fixed = next((i for i, part in enumerate(whole.parts) if re.search(r"[*?\[]", part)), len(whole.parts) - 1)
    return Path(*whole.parts[:fixed]), str(Path(*whole.parts[fixed:]))
