"""The parameters of a template's targets, from the fleet's file itself or from a CSV, YAML or JSON file, each with its place."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upheld import documents
from upheld.documents import Document, shorten
from upheld.errors import InputError, Mistake
from upheld.fleet.filling import PARAMETER, Row, Within
from upheld.yaml_core import Limits, Tree, compose

TABLE = ".csv"
EXPECTED = "a list of mappings, or a CSV, YAML or JSON file"

_NAME = "name"
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class _Place:
    """Line and column of a cell, from 0."""

    line: int
    column: int


def rows_of(given: Within, folder: Path) -> tuple[list[Row], list[Mistake], str]:
    """The rows that `with` gives or names, every mistake, and the digest of the file that they come from (or an empty text).

    A row with a mistake is not among them.
    """
    if isinstance(given.data, list):
        rows, mistakes = _checked(given, untyped=False)
        return rows, mistakes, ""
    if not isinstance(given.data, str) or not given.data.strip():
        return [], [given.mistake((), "'with' is not valid", got=shorten(given.data), expected=EXPECTED)], ""
    path = folder / given.data
    table = path.suffix.lower() == TABLE
    try:
        document = load_table(path) if table else _load_list(path)
    except InputError as error:
        return [], [told_at(given, one) for one in error.mistakes], ""
    rows, mistakes = _checked(Within(document), untyped=table)
    return rows, mistakes, document.digest


def told_at(referrer: Within, mistake: Mistake) -> Mistake:
    """A mistake of a file; one that has no place in it (the file is missing, say) is told where the file is named."""
    if mistake.line:
        return mistake
    shown = mistake.file
    shown = shown if len(shown) <= 1_000 else f"{shown[:200]}… ({len(shown):,} characters)"
    details = {"got": mistake.got, "expected": mistake.expected, "nearest": mistake.nearest}
    return referrer.mistake((), f"{shown}: {mistake.message}", **details)


def _checked(part: Within, *, untyped: bool) -> tuple[list[Row], list[Mistake]]:
    data = part.data
    if not isinstance(data, list):
        return [], [part.mistake((), "the parameters are no list", got=shorten(data), expected="a list of mappings")]
    if not data:
        return [], [part.mistake((), "there are no parameters, and so no targets", expected="at least one target")]
    rows: list[Row] = []
    mistakes: list[Mistake] = []
    for index, values in enumerate(data):
        row = Within(part.document, (*part.at, index))
        if not isinstance(values, dict):
            message = "the parameters of a target are no mapping"
            mistakes.append(row.mistake((), message, got=shorten(values), expected="a mapping such as {name: eu-1}"))
            continue
        odd = [] if untyped else [key for key in values if not re.fullmatch(PARAMETER, key)]
        mistakes += [_no_parameter(row, key) for key in odd]
        if values.get(_NAME) is None:
            near = documents.nearest(_NAME, values)
            expected = "" if near else "a name for each target"
            mistakes.append(row.mistake((), f"{_NAME!r} is missing", expected=expected, nearest=near))
        elif not odd:
            rows.append(Row(row, values, untyped=untyped))
    return rows, mistakes


def _no_parameter(row: Within, key: str) -> Mistake:
    message = f"{shorten(key)} cannot be the name of a parameter"
    return row.mistake((key,), message, key=True, expected="a letter, then letters, digits, _ and -")


def _load_list(path: Path, limits: Limits = Limits()) -> Document:  # noqa: B008  (frozen)
    """The document in a YAML or JSON file, which is YAML but for one thing: it may write a character as two surrogates."""
    text, digest = documents.read(path, limits, "YAML or JSON")
    if path.suffix.lower() == ".json":
        text = _SURROGATES.sub(lambda found: f"{found[1]}\\U{_character(found[2]):08X}", text)
    return Document(compose(text, str(path), limits), str(path), digest)


def _character(escaped: str) -> int:
    return ord(json.loads(f'"{escaped}"'))


# --- tables --------------------------------------------------------------------------------------------------------


def load_table(path: Path, limits: Limits = Limits()) -> Document:  # noqa: B008  (frozen)
    """The rows below the heading of a CSV file (RFC 4180) as mappings; a cell is a text, and an empty one null.

    Raises InputError with every mistake.
    """
    file = str(path)
    text, digest = documents.read(path, limits, "CSV")
    rows: list[dict[str, str | None]] = []
    marks: dict[int, list[Any]] = {id(rows): []}
    mistakes: list[Mistake] = []
    heading: list[str] = []
    values = 0
    try:
        for cells, places in _cells(text):
            values += len(cells)
            if values > limits.nodes:
                mistakes.append(
                    Mistake(
                        file,
                        places[0].line + 1,
                        1,
                        "the table holds too many cells",
                        expected=f"at most {limits.nodes:,}",
                    )
                )
                break
            if not heading:
                heading = [cell.strip() for cell in cells]
                mistakes += _in_heading(file, heading, places)
                continue
            if len(cells) != len(heading):
                place, message = places[0], f"the row has {len(cells):,} cells"
                mistakes.append(
                    Mistake(
                        file,
                        place.line + 1,
                        place.column + 1,
                        message,
                        expected=f"{len(heading):,}, as the first row has",
                    )
                )
                continue
            row = {name: cell.strip() or None for name, cell in zip(heading, cells, strict=True)}
            rows.append(row)
            marks[id(rows)].append(places[0])
            marks[id(row)] = [place for each in places[: len(row)] for place in (each, each)]
    except csv.Error as error:
        mistakes.append(
            Mistake(file, error.args[1], 1, f"no valid CSV: {error.args[0]}", expected="cells as RFC 4180 has them")
        )
    if not heading and not mistakes:
        mistakes.append(Mistake(file, 1, 1, "the file is empty", expected="a row with the parameters' names"))
    if mistakes:
        raise InputError(documents.in_order(mistakes))
    return Document(Tree(rows, _Place(0, 0), marks), file, digest)


def _cells(text: str) -> Iterator[tuple[list[str], list[_Place]]]:
    """Each row that is not blank, with the places of its cells."""
    lines = io.StringIO(text, newline="").readlines()  # As the reader counts them, which knows no other ends of lines.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    begun = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise csv.Error(str(error), begun + 1) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield cells, list(_places(lines[begun] if begun < len(lines) else "", begun, cells))
        begun = reader.line_num


def _places(line: str, number: int, cells: list[str]) -> Iterator[_Place]:
    """Where the cells begin; as reader counts none, each is looked for behind the one before it."""
    column = 0
    for cell in cells:
        first = cell.partition("\n")[0].replace('"', '""').rstrip("\r")
        found = line.find(first, column)
        column = found if found >= 0 else column
        yield _Place(number, column)
        column += len(first)


def _in_heading(file: str, heading: list[str], places: list[_Place]) -> Iterator[Mistake]:
    seen: dict[str, _Place] = {}
    for name, place in zip(heading, places, strict=True):
        if not re.fullmatch(PARAMETER, name):
            expected = "a letter, then letters, digits, _ and -; cells are separated by commas"
            message = f"{shorten(name)} cannot be the name of a parameter"
            yield Mistake(file, place.line + 1, place.column + 1, message, expected=expected)
        first = seen.setdefault(name, place)
        if first is not place:
            message = f"two columns are called {shorten(name)}"
            yield Mistake(file, place.line + 1, place.column + 1, message, expected="a name of its own for each column")
