"""Questionnaires as customers send them: CSV, Excel workbooks and YAML. Answers go into columns of their own; all else stays.

What is written can start no formula, whatever a sentence begins with.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from upheld.answering.answers import COLUMNS, Answer
from upheld.documents import Limits, load
from upheld.errors import InputError, Mistake
from upheld.reporting.text import safe

Answering = Callable[[str], Answer]
LARGEST = 20 * 1024 * 1024
LARGEST_UNPACKED = 200 * 1024 * 1024
MOST_QUESTIONS = 20_000
_HEADER_ROWS = 30
PREFIX = "upheld "
"""What the names of the columns with answers begin with."""
_QUESTION = re.compile(
    r"(?i)^\s*(?:(?:security|control|vendor|audit|assessment) )?(?:questions?|requirements?|query|queries)(?: text)?\s*[:*]?\s*$"
)
_STARTS_FORMULA = re.compile("^[\\s\u200b\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20|%]|^[\\t\\r\\n]")
_NUMBER = re.compile(r"^[+-]?\d+(?:[.,]\d+)*%?$")


def harmless(text: str) -> str:
    """A text as a cell of a CSV file that no spreadsheet takes for a formula."""
    return f"'{text}" if _STARTS_FORMULA.match(text) and not _NUMBER.match(text) else text


def answered(path: Path, column: str, answer: Answering) -> tuple[bytes, list[Answer]]:
    """The questionnaire in that file with the answers in it, in its own format, and the answers in order.

    `column` names the column (or key) with the questions; where it is empty, one that is called Question or the like is taken.
    Raises InputError for what is no questionnaire.
    """
    kinds = {".csv": _csv, ".xlsx": _workbook, ".xlsm": _workbook, ".yaml": _yaml, ".yml": _yaml}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        _refuse(path, "is no questionnaire", "a file that ends with .csv, .xlsx or .yaml")
    try:
        if path.stat().st_size > LARGEST:
            _refuse(path, "the questionnaire is too large", f"at most {LARGEST:,} bytes")
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}")
    return kind(path, column, answer)


# --- CSV -----------------------------------------------------------------------------------------------------------------


def _csv(path: Path, column: str, answer: Answering) -> tuple[bytes, list[Answer]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(path, "is not UTF-8", "CSV in UTF-8 (save it as “CSV UTF-8”)")
    try:
        dialect: Any = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), dialect, strict=True))
    except csv.Error as error:
        _refuse(path, f"is no CSV: {error}")
    place = _header(rows, column)
    if place is None and not column and rows and all(len(row) <= 1 for row in rows):
        header, at = -1, 0
    elif place is None:
        _no_column(path, column)
    else:
        header, at = place
    width = max((len(row) for row in rows), default=0)
    given: list[Answer] = []
    out = io.StringIO(newline="")
    writer = csv.writer(out, dialect, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    for number, row in enumerate(rows):
        more: list[str] = []
        if number == header:
            more = [f"{PREFIX}{name}" for name in COLUMNS]
        elif number > header and at < len(row) and row[at].strip():
            _not_too_many(path, given)
            given.append(answer(row[at]))
            more = list(given[-1].cells().values())
        padded = [*row, *[""] * (width - len(row))] if more else row
        writer.writerow([harmless(cell) for cell in (*padded, *more)])
    _some(path, given)
    return out.getvalue().encode("utf-8-sig"), given


def _header(rows: list[list[str]], column: str) -> tuple[int, int] | None:
    """The row of the header and the column of the questions."""
    for number, row in enumerate(rows[:_HEADER_ROWS]):
        for at, cell in enumerate(row):
            if _is_header(cell, column):
                return number, at
    return None


def _is_header(cell: object, column: str) -> bool:
    if not isinstance(cell, str):
        return False
    return cell.strip().lower() == column.strip().lower() if column else bool(_QUESTION.match(cell))


# --- Excel ---------------------------------------------------------------------------------------------------------------


def _workbook(path: Path, column: str, answer: Answering) -> tuple[bytes, list[Answer]]:
    try:
        import openpyxl  # noqa: PLC0415  (an extra)
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415
    except ImportError:
        raise InputError(
            [Mistake(str(path), 0, 0, "openpyxl is not installed", expected="pip install 'upheld[answers]'")]
        ) from None
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(one.file_size for one in packed.infolist()) > LARGEST_UNPACKED:
                _refuse(path, "the workbook is too large unpacked", f"at most {LARGEST_UNPACKED:,} bytes")
        book = openpyxl.load_workbook(path, keep_vba=path.suffix.lower() == ".xlsm")
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, EOFError) as error:
        _refuse(path, f"is no workbook that can be read: {type(error).__name__}", "an Excel workbook (.xlsx)")
    given: list[Answer] = []
    for sheet in book.worksheets:
        rows = [list(row) for row in sheet.iter_rows(max_row=_HEADER_ROWS, values_only=True)]
        place = next(
            (
                (number, at)
                for number, row in enumerate(rows, 1)
                for at, cell in enumerate(row, 1)
                if _is_header(cell, column)
            ),
            None,
        )
        if place is None:
            continue
        header, at = place
        first = sheet.max_column + 1
        for offset, name in enumerate(COLUMNS):
            _write(sheet.cell(header, first + offset), f"{PREFIX}{name}")
        for row in range(header + 1, sheet.max_row + 1):
            question = sheet.cell(row, at).value
            if not isinstance(question, str) or not question.strip() or sheet.cell(row, at).data_type == "f":
                continue
            _not_too_many(path, given)
            given.append(answer(question))
            for offset, text in enumerate(given[-1].cells().values()):
                _write(sheet.cell(row, first + offset), text)
    if not given:
        _no_column(path, column)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue(), given


def _write(cell: Any, text: str) -> None:
    """Put a text into a cell as a text, whatever it begins with."""
    cell.value = safe(text)
    cell.data_type = "s"
    if _STARTS_FORMULA.match(text):
        cell.quotePrefix = True


# --- YAML ----------------------------------------------------------------------------------------------------------------


def _yaml(path: Path, column: str, answer: Answering) -> tuple[bytes, list[Answer]]:
    import yaml  # noqa: PLC0415

    data = load(path, Limits(size=LARGEST)).data
    listed = data.get("questions") if isinstance(data, dict) else data
    if not isinstance(listed, list):
        _refuse(path, "is no questionnaire", "a list of questions, or one under `questions`")
    name = column or "question"
    given: list[Answer] = []
    written: list[dict[str, Any]] = []
    for one in listed:
        question = one.get(name) if isinstance(one, dict) else one
        if not isinstance(question, str) or not question.strip():
            _refuse(path, "an entry asks nothing", f"a text, or a mapping with the text under {name!r}")
        _not_too_many(path, given)
        given.append(answer(question))
        entry = dict(one) if isinstance(one, dict) else {name: one}
        written.append({**entry, "answer": {key: value for key, value in given[-1].cells().items() if value}})
    _some(path, given)
    whole = {**data, "questions": written} if isinstance(data, dict) else written
    return yaml.safe_dump(whole, allow_unicode=True, sort_keys=False, width=120).encode(), given


# --- refusing ------------------------------------------------------------------------------------------------------------


def _not_too_many(path: Path, given: list[Answer]) -> None:
    if len(given) >= MOST_QUESTIONS:
        _refuse(path, "has too many questions", f"at most {MOST_QUESTIONS:,}")


def _some(path: Path, given: list[Answer]) -> None:
    if not given:
        _refuse(path, "asks nothing", "at least one question")


def _no_column(path: Path, column: str) -> NoReturn:
    message = f"no column is called {column!r}" if column else "no column is called Question"
    _refuse(path, f"{message}, or nothing stands in it", "--column NAME, with the name that stands above the questions")


def _refuse(path: Path, message: str, expected: str = "") -> NoReturn:
    raise InputError([Mistake(str(path), 0, 0, message, expected=expected)])
