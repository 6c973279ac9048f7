"""Keeps what checks see in tests of their own: `pytest -p harvesting --harvest FOLDER tests/checks`, for `tests/mutating.py`.

Tests call checks over small worlds in which they must pass, fail or see nothing. Each such call is kept with its looks, and can
be judged again as a record of the reference can. Only calls that come to their end are kept, and only of this repository's checks.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_json

import upheld
from upheld import catalogue
from upheld.errors import Unobservable
from upheld.execution import execute
from upheld.model import CheckResult, Finding, NotObserved, Observation, PlannedCheck, Verdict
from upheld.probes.base import Session, plain
from upheld.replaying import Replay

CHECKS = Path(__file__).resolve().parents[1] / "checks"
LARGEST = 4 * 1024 * 1024
"""Bytes of one record; what is larger is left out."""
_marking = catalogue.check


# --- keeping -------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--harvest`."""
    parser.addoption("--harvest", type=Path, required=True, help="the folder in which records are kept")


def pytest_configure(config: pytest.Config) -> None:
    """Puts itself between tests and checks, before a module of checks is loaded."""
    folder: Path = config.getoption("--harvest")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{os.getpid()}.jsonl"

    def check(**marks: Any) -> Callable[[Any], Any]:
        mark = _marking(**marks)
        return lambda function: _kept(mark(function), file)

    catalogue.check = upheld.check = check  # type: ignore[assignment]


def _kept(function: Any, file: Path) -> Any:
    place = Path(function.__code__.co_filename)
    if not place.is_relative_to(CHECKS):
        return function
    name = f"{place.relative_to(CHECKS).parts[0].removesuffix('.py')}.{function.__name__}"

    @functools.wraps(function)
    def run(*probes: Any, **parameters: Any) -> Iterator[Any]:
        session = getattr(next(iter(probes), None), "session", None)
        if not isinstance(session, Session):
            yield from function(*probes, **parameters)
            return
        verdicts: list[str] = []
        # Some tests look at what a check yields, and at no record.
        with session.recording("t") if session.recorder is None else nullcontext(session.recorder) as recorder:
            before = len(recorder.observations)
            try:
                for item in function(*probes, **parameters):
                    verdicts += [_verdict(item)] if isinstance(item, Finding | NotObserved) else []
                    yield item
            except Unobservable:
                # The check as a whole is inconclusive, which a record shows too.
                _keep(file, name, parameters, recorder.observations[before:], verdicts)
                raise
            _keep(file, name, parameters, recorder.observations[before:], verdicts)

    return run


def _verdict(item: Finding | NotObserved) -> str:
    if isinstance(item, NotObserved):
        return Verdict.INCONCLUSIVE.value
    return (Verdict.PASS if item.passed else Verdict.FAIL).value


def _keep(file: Path, name: str, parameters: Any, seen: Sequence[Observation], verdicts: Sequence[str]) -> None:
    if not seen:
        return
    given = {key: plain(value) for key, value in parameters.items()}
    try:
        line = to_json({"check": name, "parameters": given, "verdicts": verdicts, "observations": seen})
    except ValueError:
        return  # Something that was sent on purpose to fit nowhere.
    if len(line) <= LARGEST:
        with file.open("ab") as stream:
            stream.write(line + b"\n")


# --- reading -------------------------------------------------------------------------------------------------------


def read(folder: Path, checks: catalogue.Catalogue, wanted: Sequence[str]) -> dict[str, list[CheckResult]]:
    """The records of these checks, by check; those whose replay is not what the test met, and doubles, are left out."""
    found: dict[str, list[CheckResult]] = {}
    known: set[str] = set()
    for file in sorted(folder.glob("*.jsonl")):
        with file.open("rb") as stream:
            for line in stream:
                said = json.loads(line)
                looks = [{key: one[key] for key in _TELLING} for one in said["observations"]]
                same = json.dumps([said["check"], said["parameters"], looks], sort_keys=True)
                if said["check"] not in wanted or same in known:
                    continue
                known.add(same)
                result = _result(said, checks[said["check"]])
                if [one.verdict.value for one in result.findings] == said["verdicts"]:
                    found.setdefault(said["check"], []).append(result)
    return found


_TELLING = ("probe", "look", "arguments", "value", "reason")


def _result(said: dict[str, Any], one: catalogue.Check) -> CheckResult:
    observations = tuple(_adapter().validate_python(each) for each in said["observations"])
    planned = PlannedCheck(
        "0" * 16, "harvested", one.id, said["parameters"], one.marks.basis, one.title, one.code_digest
    )
    return dataclasses.replace(execute(planned, one, Replay(observations), obstacle=""), observations=observations)


@cache
def _adapter() -> TypeAdapter[Observation]:
    # The model's `Plain` is a recursive alias that pydantic cannot follow; its name resolves to pydantic's own here.
    Plain = JsonValue  # noqa: F841, N806  (pydantic reads the names of the caller)
    return TypeAdapter(Observation)
