"""Documents of a hostile target: bombs of JSON and YAML end within their budgets, and never with less than the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processes import said
from upheld.errors import Unobservable
from upheld.probes import foreign_yaml, openapi
from upheld.probes.registers import Registers
from upheld.probes.workflows import github_workflow

MEMORY = 1 << 30
"""Bytes that reading any of these may take, the interpreter included."""
HEAD = "openapi: 3.0.0\npaths: {}\nx: "


def body(schemas: dict[str, Any]) -> str:
    post = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/s/n0"}}}}}
    return json.dumps({"openapi": "3.0.0", "paths": {"/a": {"post": post}}, "s": schemas})


def bombs() -> dict[str, tuple[str, str]]:
    """Documents, each with words of the reason why it is not read; none where it is read."""
    fanned = {f"n{i}": {"anyOf": [{"$ref": f"#/s/n{j}"} for j in range(12) if j != i]} for i in range(12)}
    wide = {f"n{i}": {"properties": {f"p{j}": {"$ref": f"#/s/n{i + 1}"} for j in range(30)}} for i in range(12)}
    one = {"operationId": "", "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/s"}}}}}
    merged = "".join(f"m{i}: &m{i}\n  <<: [{', '.join([f'*m{i - 1}'] * 12)}]\n" for i in range(1, 9))
    aliased = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    return {
        "deep JSON": ('{"openapi": "3.0.0", "x": ' + "[" * 1_000_000, "nested too deeply"),
        "deep YAML": (HEAD + "[" * 1_000_000, "no YAML that can be read"),
        "deep blocks": (f"openapi: 3.0.0\nx:\n{'- ' * 300_000}\n", "no YAML that can be read"),
        "a huge number": ('{"openapi": "3.0.0", "x": ' + "9" * 4_000_000 + "}", "neither JSON nor YAML"),
        "a number in base 60": (HEAD + "1" + ":1" * 2_400_000, ""),
        "the same with a tag": (HEAD + "!!int 1" + ":1" * 2_400_000, ""),
        "two million values": (HEAD + "[" + "a," * 2_400_000 + "]", "stands for more than"),
        "merge keys": (f"openapi: 3.0.0\nm0: &m0 {{k: v}}\n{merged}", "stands for more than"),
        "aliases": (f"openapi: 3.0.0\na0: &a0 [a]\n{aliased}", "stands for more than"),
        "an alias to itself": (HEAD + "&x [*x]", "something that it is a part of"),
        "references that fan out": (body(fanned), ""),
        "properties that fan out": (body(wide), ""),
        "one schema in every body": (
            json.dumps(
                {
                    "openapi": "3.0.0",
                    "s": {"properties": {f"p{i}": {"type": "string"} for i in range(4_000)}},
                    "paths": {f"/a{i}": {"post": one | {"operationId": f"o{i}"}} for i in range(4_000)},
                }
            ),
            "more than 500,000 schemas",
        ),
        "100 MB": ('{"openapi": "3.0.0", "x": "' + "x" * 100_000_000 + '"}', "larger than"),
    }


def test_bombs_of_openapi_are_bounded_in_time_and_memory() -> None:
    """All of them in one process that may take one GiB: what is read in spite of a bomb is read whole, or says what is not."""
    script = "from tests.upheld.probes.test_hostile_documents import read_all; read_all()"
    printed = said(script, seconds=300)
    assert printed.split() == ["read", str(len(bombs()))]


def read_all() -> None:
    """Read every bomb in this process, which then may take no more than `MEMORY`."""
    import resource

    found = bombs()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name, (text, reason) in found.items():
        operations, said = _read(text)
        assert (reason in said) if reason else not said, (name, said)
        assert len(said) < 400, name
        for one in operations:
            assert one.unread, name
            assert len(one.body) <= openapi.BODY_LIMIT, name
    print("read", len(found))


def _read(text: str) -> tuple[tuple[openapi.Operation, ...], str]:
    try:
        return openapi.parse(text).operations, ""
    except Unobservable as unobservable:
        return (), unobservable.reason


def test_what_yaml_stands_for_is_counted_not_what_it_is() -> None:
    twice = "a: &a [1, 2]\nb: [*a, *a]\nc: {<<: &c {k: v}, <<: *c}\n"
    assert foreign_yaml.load(twice, "it")["b"] == [[1, 2], [1, 2]]
    assert foreign_yaml.load("a: 1:30\nb: 0x1F\nc: 1.5\nd: 12", "it") == {"a": "1:30", "b": 31, "c": 1.5, "d": 12}
    for text in ("!!timestamp [a]", "!!int {}", "!!binary x", "2026-13-45", "a: !!float x", "*nothing", "? [a]\n: b"):
        with pytest.raises(Unobservable, match=r"^it "):
            foreign_yaml.load(text, "it")


@pytest.mark.parametrize("name", ["deep YAML", "merge keys", "aliases", "an alias to itself"])
def test_bombs_in_pipelines_are_unobservable(name: str) -> None:
    text = bombs()[name][0]
    with pytest.raises(Unobservable, match=r"^\.github/workflows/ci\.yml "):
        github_workflow(".github/workflows/ci.yml", text[:1_000_000], lambda _: "")


@pytest.mark.parametrize("name", ["deep YAML", "deep blocks", "merge keys", "aliases", "an alias to itself"])
def test_bombs_in_registers_are_unobservable(name: str, session_of: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "incidents.yaml").write_text(bombs()[name][0], encoding="utf-8")
    session = session_of(registers={"folder": ".", "incidents": {"file": "incidents.yaml"}})
    with pytest.raises(Unobservable, match="incidents"):
        session.probe(Registers).read("incidents")
