"""Where facts about the host come from: files that were recorded there, or commands that run there now."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from upheld.errors import Unobservable
from upheld.probes import foreign_yaml
from upheld.probes.host_connection import Connection

if TYPE_CHECKING:
    from upheld.probes.scope import Scope
    from upheld.target.host import FactKind, Host, RecordedFacts

LARGEST = 16 * 1024 * 1024
"""Bytes that one fact may have."""
_PLACES = ("data directory", "write-ahead log", "temporary space")
_KEYS_OF_ALL = (
    "getent passwd | cut -d: -f1,6 | while IFS=: read -r name home; do"
    " for file in /etc/ssh/authorized_keys.d/$name $home/.ssh/authorized_keys $home/.ssh/authorized_keys2; do"
    ' if test -f "$file"; then tail -v -n +1 "$file" || exit 1; echo; fi; done; done'
)
COMMANDS: dict[str, str] = {
    "block devices": "lsblk --json --output NAME,KNAME,PATH,TYPE,FSTYPE,UUID,MOUNTPOINTS",
    "mounts": "findmnt --json --real",
    "sshd settings": "sshd -T",
    "accounts": "getent passwd",
    "authorized keys": _KEYS_OF_ALL,
    "processes": "ps -eo user:32,comm",
    "upgrade settings": "apt-config dump",
    "upgrade log": "zcat -f /var/log/unattended-upgrades/unattended-upgrades.log*",
    "pending updates": "apt list --upgradable",
    "changelogs": "for p in $(apt list --upgradable 2>/dev/null | cut -s -d/ -f1); do apt-get changelog -q $p | head -n 40; done",
    "firmware": "dmidecode --type system",
}
"""What asks a Debian or Ubuntu host for each kind of fact; the provider's metadata service is another one everywhere."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one command printed on the host, where that is kept or which command it was, and when it was collected."""

    text: str
    source: str
    collected_at: datetime


class Recorded:
    """Facts in files; a fact is as old as the manifest says."""

    def __init__(self, description: RecordedFacts, base: Path) -> None:
        """Reads nothing yet."""
        self._files = description.files
        self._folder = base / description.folder
        self._manifest_name = description.manifest
        self._manifest: dict[str, Any] | None = None

    def kinds(self) -> tuple[FactKind, ...]:
        """The kinds of fact that were recorded."""
        return tuple(self._files)

    def collected(self, kind: FactKind) -> tuple[str, datetime]:
        """The file of that kind, and when its content was collected; raises Unobservable when that is not known."""
        name = self._files.get(kind)
        if name is None:
            raise Unobservable(f"the target names no file with the host's {kind}")
        if self._manifest is None:
            self._manifest = self._read_manifest()
        entry = self._manifest.get(name)
        said = entry.get("collected_at") if isinstance(entry, dict) else None
        try:
            at = said if isinstance(said, datetime) else datetime.fromisoformat(str(said))
        except ValueError:
            raise Unobservable(f"{self._manifest_name} does not say when {name} was collected") from None
        if at.tzinfo is None:
            raise Unobservable(f"{self._manifest_name} dates {name} without a time zone")
        return name, at.astimezone(UTC)

    def fact(self, kind: FactKind) -> Fact:
        """The fact of that kind; raises Unobservable when it is not there or cannot be read."""
        name, at = self.collected(kind)
        return Fact(_text(self._folder / name, name), name, at)

    def _read_manifest(self) -> dict[str, Any]:
        name = self._manifest_name
        text = _text(self._folder / name, name)
        data = foreign_yaml.load(text, name)
        files = data.get("files") if isinstance(data, dict) else None
        if not isinstance(files, dict):
            raise Unobservable(f"{name} lists no files")
        return files


class Live:
    """Facts that commands print on the host now, through a connection of testinfra."""

    def __init__(self, description: Host, scope: Scope, seconds: float, pace: Callable[[], None]) -> None:
        """Connects to nothing yet; within `seconds` each command must have ended, and before it `pace` is asked."""
        self._pace = pace
        self._description = description
        self._scope = scope
        self._seconds = seconds
        self._host: Connection | None = None

    def kinds(self) -> tuple[FactKind, ...]:
        """The kinds of fact that can be asked for."""
        described = self._description
        asked: dict[str, None] = dict.fromkeys((*COMMANDS, *described.commands, *described.database_paths))
        return tuple(cast("FactKind", kind) for kind in asked)

    def collected(self, kind: FactKind) -> tuple[str, datetime]:
        """The command for that kind, and now: that is when it would run."""
        return self._command(kind), datetime.now(UTC)

    def fact(self, kind: FactKind) -> Fact:
        """What the command for that kind prints now; raises Unobservable when it cannot run or says that it failed."""
        command = self._command(kind)
        host = self._connected()
        self._pace()
        try:
            done = host.run(command)
            code, text, said = int(done.rc), str(done.stdout), str(done.stderr)
        except Unobservable:
            raise
        except Exception as error:  # Each kind of connection raises its own: none of them is a fact about the host.
            raise Unobservable(
                f"{self._description.connection}: {type(error).__name__}: {_line(str(error))}"
            ) from error
        if code:
            raise Unobservable(f"{command!r} ended with {code} on the host: {_line(said) or 'it said nothing'}")
        if len(text) > LARGEST:
            raise Unobservable(f"{command!r} printed more than {LARGEST:,} characters on the host")
        return Fact(text, command, datetime.now(UTC))

    def _command(self, kind: FactKind) -> str:
        described = self._description
        if kind in described.commands:
            return described.commands[kind]
        if kind in _PLACES:
            path = {str(place): path for place, path in described.database_paths.items()}.get(kind)
            if path is None:
                raise Unobservable(f"the target does not say where the database's {kind} is (host.database_paths)")
            return f"readlink -e -- {_quoted(path)}"
        if kind not in COMMANDS:
            raise Unobservable(f"the target does not say which command prints the host's {kind} (host.commands)")
        return COMMANDS[kind]

    def _connected(self) -> Connection:
        if self._host is None:
            try:
                self._host = Connection(self._description, self._scope, self._seconds)
            except ImportError:
                raise Unobservable("looking at a host needs pytest-testinfra: pip install 'upheld[host]'") from None
            except Unobservable:
                raise
            except Exception as error:  # A missing client program or library, or a URL that it does not take.
                raise Unobservable(
                    f"no connection {self._description.connection}: {type(error).__name__}: {_line(str(error))}"
                ) from error
        return self._host


def _text(path: Path, name: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123  (a pipe must not block)
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Unobservable(f"{name} is no regular file")
            raw = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise Unobservable(f"{name} is not there") from None
    except OSError as error:
        raise Unobservable(f"{name} cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise Unobservable(f"{name} is larger than {LARGEST:,} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Unobservable(f"{name} is no UTF-8 text") from None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
