"""A folder of values kept by what made them, which several runs may share and a CI service may carry from one to the next.

An entry says what it was made of and what came of it, under a seal over both. One that is damaged, that stands under another
name, or whose seal another key made is ignored, and counted. Without a key the seal is a digest: it shows damage, and not
forgery, so that a folder into which others may write needs a key that they do not have.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

FORMAT = "upheld-cache/1"
LARGEST = 64 << 20
"""Bytes of one entry that are read."""
MOST_ALIKE = 64
"""Entries of one kind and subject that are kept: the oldest ones go."""


class Cache:
    """What a folder keeps. Whatever goes wrong with the folder, nothing is found in it and the work is done anew."""

    def __init__(
        self,
        folder: Path,
        key: bytes = b"",
        common: Mapping[str, Any] | None = None,
        clean: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        """`key` seals the entries; `common` is what every entry is made of besides. `clean` takes secrets out of what is kept."""
        self.folder = folder
        self._clean = clean
        self._common = dict(common or {})
        self.hits = 0
        self.ignored: list[str] = []
        """What was found and not believed, with the reason, as a person reads it."""
        self.fault = ""
        """Why something could not be kept."""
        self._key = key

    def get(self, kind: str, made_of: Mapping[str, Any]) -> Any:
        """What came of exactly this; None when nothing is known that can be believed."""
        found = self._read(self._place(kind, made_of) / "value.json", kind, made_of)
        self.hits += found is not None
        return found

    def put(self, kind: str, made_of: Mapping[str, Any], value: Any) -> None:
        """Keep what came of this, without secrets; nothing of what has one in its name."""
        if self._clean(made_of) != made_of:
            return
        value = self._clean(value)
        self._write(self._place(kind, made_of) / "value.json", kind, made_of, value)

    def alike(self, kind: str, made_of: Mapping[str, Any]) -> Iterator[Any]:
        """All that ever came of this, for what also depends on things that are told with each value; the latest first."""
        folder = self._place(kind, made_of)
        for path in self._listed(folder):
            found = self._read(path, kind, made_of)
            if found is not None:
                yield found

    def add(self, kind: str, made_of: Mapping[str, Any], value: Any) -> None:
        """Keep one more of those that came of this."""
        folder = self._place(kind, made_of)
        name = hashlib.sha256(_bytes(value)).hexdigest()[:32]
        self._write(folder / f"{name}.json", kind, made_of, value)
        for old in self._listed(folder)[MOST_ALIKE:]:
            with suppress(OSError):
                old.unlink()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _place(self, kind: str, made_of: Mapping[str, Any]) -> Path:
        name = hashlib.sha256(_bytes([FORMAT, kind, self._common, made_of])).hexdigest()
        return self.folder / kind / name[:2] / name[2:]

    def _listed(self, folder: Path) -> list[Path]:
        try:
            dated = [(path.stat().st_mtime_ns, path) for path in folder.glob("*.json")]
        except OSError:
            return []
        return [path for _, path in sorted(dated, reverse=True)]

    def _read(self, path: Path, kind: str, made_of: Mapping[str, Any]) -> Any:
        try:
            with path.open("rb") as stream:
                data = stream.read(LARGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.ignored.append(f"{self._shown(path)} cannot be read: {error.strerror or type(error).__name__}")
            return None
        seal, _, body = data.partition(b"\n")
        if not hmac.compare_digest(seal, self._seal(body)):
            self.ignored.append(f"{self._shown(path)} was altered, or another key sealed it")
            return None
        try:
            entry = json.loads(body)
            told = (entry["format"], entry["kind"], _bytes(entry["made_of"]))
            value = entry["value"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self.ignored.append(f"{self._shown(path)} is no entry")
            return None
        if told != (FORMAT, kind, _bytes({**self._common, **made_of})):
            self.ignored.append(f"{self._shown(path)} is of something else")
            return None
        return value

    def _write(self, path: Path, kind: str, made_of: Mapping[str, Any], value: Any) -> None:
        body = _bytes({"format": FORMAT, "kind": kind, "made_of": {**self._common, **made_of}, "value": value})
        if len(body) > LARGEST:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(self._seal(body) + b"\n" + body)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            self.fault = f"{self.folder} takes nothing: {error.strerror or type(error).__name__}"

    def _seal(self, body: bytes) -> bytes:
        if self._key:
            return b"hmac-sha256 " + hmac.new(self._key, body, hashlib.sha256).hexdigest().encode()
        return b"sha256 " + hashlib.sha256(body).hexdigest().encode()

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


@functools.cache
def engine_mark() -> str:
    """What tells this code of upheld, and the Python that runs it, from others."""
    package = Path(__file__).parent
    whole = hashlib.sha256(platform.python_version().encode())
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.yaml")]):
        whole.update(path.relative_to(package).as_posix().encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _bytes(value: Any) -> bytes:
    """`value` as the one JSON text that stands for it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
