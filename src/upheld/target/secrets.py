"""Secrets by reference: what `env:NAME` and `file:PATH` in a target description stand for.

A reason never repeats a value, and not even text that is no reference, because that may be the secret itself.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from upheld.errors import Unobservable

LARGEST = 64 * 1024
"""Bytes that a secret's file may have."""

_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


def resolve(ref: str, base: Path) -> str:
    """The secret that `ref` stands for, without one trailing newline; relative paths are relative to the folder `base`.

    Bytes that are no UTF-8 text (a raw key) come back whole, undecodable ones as `surrogateescape` gives them. Raises
    Unobservable, with a reason that names the reference, when there is no such secret, it is empty or it cannot be read.
    """
    if found := _ENV.fullmatch(ref):
        value = os.environ.get(found[1])
        if value is None:
            raise Unobservable(f"the secret {ref} is not there: the environment has no variable {found[1]}")
        text = _without_newline(value)
    elif ref.startswith("file:") and len(ref) > len("file:"):
        raw = _read(ref, base)
        try:
            text = _without_newline(raw.decode("utf-8"))
        except UnicodeDecodeError:  # A raw key: a byte that looks like a newline is part of it.
            text = raw.decode("utf-8", "surrogateescape")
    else:
        raise Unobservable("a secret is not given as a reference (env:NAME or file:PATH)")
    if not text:
        raise Unobservable(f"the secret {ref} is empty")
    return text


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _read(ref: str, base: Path) -> bytes:
    try:
        path = base / ref.removeprefix("file:")
        if not stat.S_ISREG(path.stat().st_mode):  # A pipe could keep the reader waiting for ever.
            raise Unobservable(f"the secret {ref} is not there: it is no regular file")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise Unobservable(f"the secret {ref} is not there: the file does not exist") from None
    except OSError as error:
        raise Unobservable(f"the secret {ref} cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError:  # A NUL or a lone surrogate in the name.
        raise Unobservable("a secret's reference names a file that cannot exist") from None
    if len(raw) > LARGEST:
        raise Unobservable(f"the secret {ref} is larger than {LARGEST:,} bytes")
    return raw
