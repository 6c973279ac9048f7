"""Taking in what a worker sends: its run's folder is unpacked beside the others, read, and added to the ledger, one at a time.

Nothing that comes over the wire is believed beyond its bytes: the exit code of a target follows from the run that was read here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from upheld.errors import InputError, UpheldError
from upheld.fleet.archives import NotPacked, unpack_folder
from upheld.fleet.jobs import Job, Outcome
from upheld.fleet.state import TARGETS, Ended, Journal
from upheld.keeping import JOURNAL, NotWritten, recover
from upheld.ledger import Ledger, LedgerFault
from upheld.model import Run
from upheld.reporting import run_json
from upheld.running import exit_code

_RUN = "run.json"


def digest_of(job: Job) -> str:
    """What a target is audited with: the same digest of two jobs is the same audit, whenever and by whichever attempt."""
    found = hashlib.sha256()
    said = [job.version, job.policy, job.target, job.waivers, list(job.claims), [list(one) for one in job.modified]]
    found.update(json.dumps(said).encode())
    for name, content in sorted(job.files):
        found.update(json.dumps([name, hashlib.sha256(content).hexdigest()]).encode())
    return found.hexdigest()


class NotTaken(UpheldError):
    """What came is no run, or another one than was asked for; the message says why. The target is not observed then."""


class Taking:
    """The folder of a fleet's run, and the ledger."""

    def __init__(self, out: Path, ledger: Ledger | None, journal: Journal, say: Callable[[str], None]) -> None:
        self._out, self._ledger, self._journal, self._say = out, ledger, journal, say
        self.faults: list[str] = []
        """What went wrong with the ledger."""

    def folder(self, member: str) -> str:
        """Where the reports of a target are, relative to the fleet's folder."""
        return f"{TARGETS}/{member}"

    def whole(self, outcome: Outcome) -> tuple[Run, int]:
        """The run of a target that was audited to its end, and its exit code. Raises NotTaken."""
        run = self._unpacked(outcome)
        return run, exit_code(run)

    def rest(self, outcome: Outcome) -> Run | None:
        """The run of an audit that did not come to its end, as far as it had come; None where nothing stands of it."""
        if not outcome.archive:
            return None
        try:
            run = self._unpacked(outcome)
            folder = self._out / self.folder(outcome.member)
            if (folder / JOURNAL).exists():
                run, _ = recover(folder)
        except (NotTaken, InputError, NotWritten) as error:
            self._say(f"{outcome.member}: what was left of its audit cannot be kept: {error}")
            return None
        return run

    def record(self, member: str, run: Run) -> None:
        """Add a run to the ledger, and note that it is there; where that cannot be done it is said, and counts as a fault."""
        if self._ledger is None:
            return
        folder = self._out / self.folder(member)
        try:
            self._ledger.add(run, folder)
        except LedgerFault as error:
            words = f"{member}: {error}; its run is NOT in the ledger: upheld ledger add {folder}, or --resume"
            self.faults.append(words)
            self._say(words)
            return
        self._journal.recorded(member)

    def standing(self, member: str, ended: Ended) -> Run:
        """The run of a target that ended before the fleet's run was stopped. Raises NotTaken where it is not there any more."""
        try:
            run = run_json.read(self._out / self.folder(member) / _RUN)
        except InputError as error:
            raise NotTaken(str(error)) from error
        if run.id != ended.run or exit_code(run) != ended.code:
            raise NotTaken("another run stands in its folder")
        return run

    def clear(self, member: str) -> None:
        """Remove what stands of a target from an earlier attempt."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._out / self.folder(member))

    def _unpacked(self, outcome: Outcome) -> Run:
        folder = self._out / self.folder(outcome.member)
        try:
            unpack_folder(outcome.archive, folder)
            return run_json.read(folder / _RUN)
        except (NotPacked, OSError) as error:
            raise NotTaken(f"what the worker sent cannot be kept: {error}") from error
        except InputError as error:
            self.clear(outcome.member)
            raise NotTaken(f"what the worker sent is no run: {error}") from error
