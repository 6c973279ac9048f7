"""Secrets by reference: what they stand for, and reasons that never repeat a value."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from upheld.errors import Unobservable
from upheld.target.secrets import LARGEST, resolve


def reason(ref: str, base: Path = Path()) -> str:
    with pytest.raises(Unobservable) as caught:
        resolve(ref, base)
    return caught.value.reason


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("s3cret", "s3cret"),
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("s3cret\n\n", "s3cret\n"),
        (" é ", " é "),
        ("\ns", "\ns"),
    ],
)
def test_one_trailing_newline_is_no_part_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, secret: str
) -> None:
    monkeypatch.setenv("UPHELD_TEST_SECRET", value)
    assert resolve("env:UPHELD_TEST_SECRET", tmp_path) == secret
    (tmp_path / "secret").write_bytes(value.encode())
    assert resolve("file:secret", tmp_path) == secret
    assert resolve(f"file:{tmp_path}/secret", Path("/nowhere")) == secret


def test_a_raw_key_comes_back_whole(tmp_path: Path) -> None:
    raw = bytes(range(246, 256)) + b"\xff\r\n"
    (tmp_path / "key").write_bytes(raw)
    assert resolve("file:key", tmp_path).encode("utf-8", "surrogateescape") == raw


def test_a_missing_secret_is_unobservable_and_the_reference_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPHELD_TEST_SECRET", raising=False)
    assert reason("env:UPHELD_TEST_SECRET") == (
        "the secret env:UPHELD_TEST_SECRET is not there: the environment has no variable UPHELD_TEST_SECRET"
    )
    assert reason("file:no/such", tmp_path) == "the secret file:no/such is not there: the file does not exist"
    assert reason("file:.", tmp_path) == "the secret file:. is not there: it is no regular file"
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in reason("file:pipe", tmp_path)
    (tmp_path / "file").write_text("x")
    assert reason("file:file/inside", tmp_path) == "the secret file:file/inside cannot be read: Not a directory"
    assert reason("file:a\0b") == "a secret's reference names a file that cannot exist"


@pytest.mark.parametrize("value", ["", "\n"])
def test_an_empty_secret_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("UPHELD_TEST_SECRET", value)
    assert reason("env:UPHELD_TEST_SECRET") == "the secret env:UPHELD_TEST_SECRET is empty"
    (tmp_path / "secret").write_text(value)
    assert reason("file:secret", tmp_path) == "the secret file:secret is empty"


def test_a_large_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * LARGEST)
    assert len(resolve("file:secret", tmp_path)) == LARGEST
    (tmp_path / "secret").write_bytes(b"x" * (LARGEST + 1))
    assert reason("file:secret", tmp_path) == "the secret file:secret is larger than 65,536 bytes"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_file_that_cannot_be_read_is_unobservable() -> None:
    assert reason("file:/proc/self/mem").startswith("the secret file:/proc/self/mem cannot be read: ")


@pytest.mark.parametrize(
    "text", ["hunter2", "", "env:", "env:A-B", "env:hunter2 x", "file:", "vault:hunter2", "ENV:hunter2"]
)
def test_what_is_no_reference_may_be_the_secret_and_is_not_repeated(text: str) -> None:
    assert reason(text) == "a secret is not given as a reference (env:NAME or file:PATH)"
