"""The folder of a run while it lasts: whatever kills the run, it can be read, what was finished is kept, and nothing looks passed.

From the start a run's folder holds a run.json and a page that say that the run did not complete, and a journal to which every
result is added as it comes. At the end both files are replaced and the journal goes. What stood in the folder before is kept in
its folder `previous`, unless that run did not complete either.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from upheld.calibration import calibrated
from upheld.errors import InputError, Mistake, UpheldError
from upheld.evidence import inputs
from upheld.judging import redecide
from upheld.model import CheckResult, Run
from upheld.reporting import run_json
from upheld.reporting.files import write_atomically
from upheld.reporting.folder import PREVIOUS, write_reports
from upheld.sent import NAME as SENT
from upheld.sent import write_sent

JOURNAL = "unfinished.jsonl"
INTERRUPTED = "the run was interrupted before this check ended"
"""The reason of a check that had no result when its run was killed."""
_UNDER_WAY = "It is under way, or it was interrupted:"
_RUN, _PAGE = "run.json", "report.html"
_FILES = (_PAGE, _RUN, SENT)
_RESULT = TypeAdapter(CheckResult)
_COMPLETE = re.compile(rb'^ "complete": true,$', re.MULTILINE)


class NotWritten(UpheldError):
    """The reports of a run cannot be written; the message says where and why."""


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NotWritten(f"the reports cannot be written to {folder}: {reason}") from error


class RunFolder:
    """The folder that a run writes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault: OSError | None = None
        """Why results could not be added to the journal any more; the run goes on."""
        self._run = ""
        self._journal: IO[bytes] | None = None
        self._made = False
        self._replaced = False

    def begin(self, run: Run) -> None:
        """Keep what stood here, and say that `run`, none of whose checks has a result, is not complete.

        Raises NotWritten where that cannot be done; then what stood here is as it was.
        """
        with _writing(self.folder):
            self._begin(run)

    def _begin(self, run: Run) -> None:
        self._run, self._made = run.id, not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        started = dataclasses.replace(run, complete=False, notes=(*run.notes, self._note()))
        for left in self.folder.glob(".*.part"):  # Of a run that was killed while it wrote.
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        beside = self.folder / f".{run.id}.part"
        try:
            write_reports(started, beside)
            (beside / JOURNAL).write_bytes(_line(run.id))
            self._keep_previous()
            for name in (_PAGE, _RUN, JOURNAL):
                (beside / name).replace(self.folder / name)
            (self.folder / SENT).unlink(missing_ok=True)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._journal = (self.folder / JOURNAL).open("ab", buffering=0)

    def described(self, run: Run, given: Mapping[str, bytes]) -> None:
        """Say what is audited, which is known once the target was started, and keep the inputs of the run; raises NotWritten."""
        started = dataclasses.replace(run, complete=False, notes=(*run.notes, self._note()))
        with _writing(self.folder):
            inputs.keep(given, self.folder)
            write_atomically(self.folder / _RUN, run_json.dumps(started))

    def undo(self) -> None:
        """Put back what stood here: the run did not begin, because what it was given is wrong, or there is no room for it."""
        self._close()
        shutil.rmtree(self.folder / inputs.FOLDER, ignore_errors=True)
        (self.folder / JOURNAL).unlink(missing_ok=True)
        previous = self.folder / PREVIOUS
        for name in _FILES:
            if self._replaced and (previous / name).exists():
                (previous / name).replace(self.folder / name)
            else:
                (self.folder / name).unlink(missing_ok=True)
        if self._replaced and (previous / inputs.FOLDER).exists():
            (previous / inputs.FOLDER).rename(self.folder / inputs.FOLDER)
        if self._replaced:
            previous.rmdir()
        elif self._made:
            with suppress(OSError):  # Something else is in it.
                self.folder.rmdir()

    def note(self, result: CheckResult) -> None:
        """Add a result to the journal; one that cannot be added is in the run's report all the same."""
        if self._journal is None:
            return
        try:
            line = _RESULT.dump_json(result) + b"\n"
            if self._journal.write(line) != len(line):
                raise OSError(28, os.strerror(28), str(self.folder / JOURNAL))  # The rest of the line found no room.
        except OSError as error:
            self.fault = error
            self._close()

    def counted(self, sent: Mapping[str, int]) -> None:
        """Write how many requests went to each host, whatever becomes of the run; raises NotWritten where that cannot be done."""
        with _writing(self.folder):
            write_sent(self.folder, self._run, sent)

    def finish(self, run: Run) -> None:
        """Write the reports of the whole run; raises NotWritten where that cannot be done, and then all that was kept stays."""
        self._close()
        with _writing(self.folder):
            write_reports(run, self.folder)
            (self.folder / JOURNAL).unlink(missing_ok=True)

    def _note(self) -> str:
        return f"{_UNDER_WAY} upheld recover {self.folder} adds what it had finished."

    def _close(self) -> None:
        if self._journal is not None:
            with suppress(OSError):
                self._journal.close()
            self._journal = None

    def _keep_previous(self) -> None:
        """Link what stands here into the folder `previous`, where it is a whole run; it is replaced here later, in one step."""
        if not _is_complete(self.folder / _RUN):
            return
        previous = self.folder / PREVIOUS
        if previous.exists():
            shutil.rmtree(previous)
        previous.mkdir()
        for name in _FILES:
            if (self.folder / name).exists():
                try:
                    os.link(self.folder / name, previous / name)
                except OSError:  # A file system without hard links.
                    shutil.copyfile(self.folder / name, previous / name)
        if (self.folder / inputs.FOLDER).exists():
            (self.folder / inputs.FOLDER).rename(previous / inputs.FOLDER)
        self._replaced = True


def standing(folder: Path) -> Run:
    """The run in a folder (or a run.json); of one that was killed with all that it had finished. Raises InputError where there is none."""
    if folder.exists() and not folder.is_dir():
        return run_json.read(folder)
    run = run_json.read(folder / _RUN)
    results = _finished(folder / JOURNAL, run.id)
    return run if results is None else _with(run, results)


def recover(folder: Path) -> tuple[Run, int]:
    """Write the reports of a run that was killed, from what it had finished; gives it, and how many of its checks had ended.

    Raises InputError where no run was killed, NotWritten where its reports cannot be.
    """
    run = run_json.read(folder / _RUN)
    results = _finished(folder / JOURNAL, run.id)
    if results is None:
        message = "no run was interrupted here" if run.complete else "nothing is left of the run besides its report"
        raise InputError([Mistake(str(folder), 0, 0, message)])
    whole = _with(run, results)
    with _writing(folder):
        write_reports(whole, folder)
        (folder / JOURNAL).unlink(missing_ok=True)
    return whole, len(results)


def _with(run: Run, results: Mapping[str, CheckResult]) -> Run:
    claims = redecide(run.claims, results)
    return dataclasses.replace(
        run,
        claims=claims,
        complete=False,
        notes=(
            *(note for note in run.notes if not note.startswith(_UNDER_WAY)),
            f"It was interrupted: {len(results)} of {run.planned} checks had ended.",
        ),
    )


def _finished(journal: Path, run: str) -> dict[str, CheckResult] | None:
    """The results in a journal of that run, by their keys; None where there is no such journal. A line that was cut off ends it."""
    try:
        first, *lines = journal.read_bytes().split(b"\n")
    except OSError:
        return None
    if first + b"\n" != _line(run):
        return None
    results: dict[str, CheckResult] = {}
    for line in lines:
        try:
            result = _RESULT.validate_json(line)
        except ValidationError:
            break
        results[result.key] = calibrated(result)
    return results


def _line(run: str) -> bytes:
    return f'{{"format":"upheld-journal/1","run":"{run}"}}\n'.encode()


def _is_complete(path: Path) -> bool:
    """Whether the run.json at `path` says that its run completed; its first lines say it."""
    try:
        with path.open("rb") as stream:
            return _COMPLETE.search(stream.read(2048)) is not None
    except OSError:
        return False
