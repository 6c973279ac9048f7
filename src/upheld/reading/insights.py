"""SECURITY-INSIGHTS.yml of the OpenSSF as blocks: each value with its key is a sentence, each mapping a heading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upheld.documents import Document
from upheld.errors import InputError, Mistake
from upheld.reading.page import Block
from upheld.yaml_core import Limits, compose, control_character

_HEADS = frozenset({"header", "project", "repository", "project-lifecycle", "vulnerability-reporting"})
"""Of these at least two, or `header` with another, stand in every version of the format."""


def blocks(raw: bytes, source: str) -> Iterator[Block]:
    """The blocks of a file that is in this format; raises InputError for any other YAML."""
    text = raw.decode("utf-8-sig")
    if found := control_character(text):
        line, column, got = found
        raise InputError([Mistake(source, line, column, "the file contains a control character", got=got)])
    document = Document(compose(text, source, Limits()), source, "")
    data = document.data
    if not isinstance(data, dict) or "header" not in data or len(_HEADS & data.keys()) < 2:
        message = "is YAML, but no SECURITY-INSIGHTS.yml: it has no header beside a project or a repository"
        raise InputError([Mistake(source, 0, 0, message, expected="the format of the OpenSSF's Security Insights")])
    yield from _mapping(document, data, ())


def _mapping(document: Document, data: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[Block]:
    plain = {key: value for key, value in data.items() if not isinstance(value, dict | list) and value is not None}
    names = [one for one in path if isinstance(one, str)]
    if names and isinstance(path[-1], str):
        line, _ = document.place(path, key=True)
        yield Block(names[-1].replace("-", " "), "heading", len(names), line=line)
    for key, value in plain.items():
        line, _ = document.place((*path, key))
        words = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
        for one in str(words).splitlines():
            if one.strip():
                yield Block(f"{key}: {one.strip()}", "field", line=line)
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _mapping(document, value, (*path, key))
        elif isinstance(value, list):
            line, _ = document.place((*path, key), key=True)
            yield Block(key.replace("-", " "), "heading", len(names) + 1, line=line)
            for number, one in enumerate(value):
                if isinstance(one, dict):
                    yield from _mapping(document, one, (*path, key, number))
                elif one is not None:
                    line, _ = document.place((*path, key, number))
                    yield Block(f"{key}: {one}", "field", line=line)
