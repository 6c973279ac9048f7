"""Workers that are forked from a process which has imported everything: what they share with it, and that they end."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from upheld.catalogue import Catalogue
from upheld.plugin import knocking
from upheld.plugin.forking import catalogue_of, forked_workers

ENDS_SECONDS = 10.0
BEGINNING = """
    import json, os, sys, time
    from pathlib import Path
    import execnet
    from upheld.catalogue import Catalogue
    from upheld.plugin.forking import forked_workers

    scratch, folders = Path(sys.argv[1]), (Path("checks"),)
    catalogue = Catalogue()
    sys.loaded_before = "marked"
    LOOK = "import os, sys, random; from upheld.plugin.forking import catalogue_of; from pathlib import Path\\n"
    LOOK += "found = catalogue_of((Path('checks'),)) is not None, catalogue_of((Path('others'),)) is not None\\n"
    LOOK += "channel.send((os.getpid(), os.getppid(), getattr(sys, 'loaded_before', ''), *found, random.random()))"

    def begun(spec):
        return execnet.makegateway(f"execmodel=main_thread_only//{spec}")

    def looked(gateway):
        return gateway.remote_exec(LOOK).receive(20)
"""


def program(rest: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(BEGINNING) + textwrap.dedent(rest)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def said(rest: str, scratch: Path) -> Any:
    done = program(rest, str(scratch))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone(*pids: int) -> bool:
    deadline = time.monotonic() + ENDS_SECONDS
    while any(lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(lives(pid) for pid in pids)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


def test_workers_have_what_was_loaded_before_and_are_processes_of_their_own(tmp_path: Path) -> None:
    first, second, own = said(
        """
        with forked_workers(scratch, folders, catalogue) as spec:
            gateways = [begun(spec), begun(spec)]
            told = [looked(one) for one in gateways]
            for one in gateways:
                one.exit()
        print(json.dumps([*told, os.getpid()]))
        """,
        tmp_path,
    )
    for pid, parent, mark, known, unknown, _ in (first, second):
        assert (mark, known, unknown) == ("marked", True, False)
        assert own not in {pid, parent}
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert first[-1] != second[-1]  # No two draw the same random numbers.
    assert gone(first[0], second[0], first[1])


def test_nothing_is_left_when_the_process_that_all_is_for_is_killed(tmp_path: Path) -> None:
    done = program(
        """
        with forked_workers(scratch, folders, catalogue) as spec:
            gateway = begun(spec)
            print(json.dumps(looked(gateway)), flush=True)
            os.kill(os.getpid(), 9)
        """,
        str(tmp_path),
    )
    assert done.returncode == -9
    pid, parent, *_ = json.loads(done.stdout)
    assert gone(pid, parent)


def test_a_worker_ends_with_the_program_that_was_started_for_it(tmp_path: Path) -> None:
    pid, parent, ended = said(
        """
        with forked_workers(scratch, folders, catalogue) as spec:
            gateway = begun(spec)
            pid, parent, *_ = looked(gateway)
            channel = gateway.remote_exec("import time; time.sleep(60)")
            gateway._io.kill()
            deadline = time.monotonic() + 10
            def lives():
                try:
                    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
                except OSError:
                    return False
            while lives() and time.monotonic() < deadline:
                time.sleep(0.02)
            ended = not lives()
        print(json.dumps([pid, parent, ended]))
        """,
        tmp_path,
    )
    assert ended
    assert gone(pid, parent)


def test_a_process_with_threads_forks_nothing(tmp_path: Path) -> None:
    held = threading.Event()
    thread = threading.Thread(target=held.wait)
    thread.start()
    try:
        with forked_workers(tmp_path, (), Catalogue()) as spec:
            assert spec is None
    finally:
        held.set()
        thread.join()


def test_where_no_socket_can_be_pytest_xdist_starts_workers_by_itself(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 200)
    deep.mkdir()
    assert said(
        """
        with forked_workers(scratch, folders, catalogue) as spec:
            print(json.dumps([spec]))
        """,
        deep,
    ) == [None]


def test_who_knocks_where_nobody_listens_becomes_python(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "none.sock"), "-u", "-c", "import sys; print(sys.stdin.read())"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", knocking.__file__, *arguments],
        input="hello",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "hello\n"


def test_this_very_process_was_forked_from_none() -> None:
    assert catalogue_of(()) is None


TELLS = '''
from collections.abc import Iterator
from pathlib import Path

from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock


@check(basis=OBSERVED)
def what_it_is(clock: Clock) -> Iterator[Finding]:
    """It is a process."""
    clock.now()
    yield Finding("it", passed=True, expected="", observed=Path("/proc/self/cmdline").read_text().replace("\\0", " "))
'''


def test_an_audit_forks_its_workers_and_one_that_is_killed_is_replaced(project: Any) -> None:
    (project.folder / "checks" / "tells.py").write_text(TELLS, encoding="utf-8")
    good = [(f"good-{number}", "own.holds") for number in range(4)]
    project.claims(("what", "tells.what_it_is"), *good, ("killer", "own.kills_its_worker"))
    done = project.upheld("run", "--target", "target.yaml", "-n", "2", "--out", "out", "--ledger", "none")
    assert done.returncode == 3, done.stdout + done.stderr
    run = project.run_json()
    statuses = {claim["id"]: claim["status"] for claim in run["claims"]}
    assert statuses.pop("killer") == "inconclusive"
    assert set(statuses.values()) == {"upheld"}
    (finding,) = run["claims"][0]["checks"][0]["findings"]
    assert "upheld.cli.main" in finding["observed"]
