"""Putting the whole deployment back to a state that is known, as the target describes it. Nothing here is done unasked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from upheld.errors import TimedOut, Unobservable
from upheld.probes.api import Api
from upheld.probes.api_requests import fill, generated, url_of
from upheld.probes.http_client import HttpClient
from upheld.probes.json_query import holds
from upheld.probes.openapi import FORM
from upheld.probes.staff import Staff
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer
    from upheld.target.endpoints import Endpoint
    from upheld.target.reset import Ready, ResetCommand, ResetRequest, Shows

KEPT = 64 * 1024
"""Bytes of a program's output that are looked at, the last ones."""
MOST_PRINTED = 64 << 20
"""Bytes that a program may print."""
_STOP_SECONDS = 5.0
_AGAIN_SECONDS = 0.25


class NotBegun(Unobservable):
    """The reset was not begun, so that nothing of the deployment has changed by it."""


def reset(session: Session, begins: Callable[[], None]) -> str:
    """Do what the target describes as its reset, and give what showed that it worked. `begins` is called just before.

    Raises NotBegun before that, and Unobservable after it, when it failed or nothing shows that it worked: then nobody knows what
    state the deployment is in. It goes out past the target's budget of requests, but not past its rate.
    """
    described = session.target.reset
    if described is None:
        raise NotBegun("the target describes no reset")
    client = HttpClient(session)
    try:
        with session.putting_back():
            if described.request is not None:
                said = _request(session, described.request, client, begins)
            else:
                said = _command(session, cast("ResetCommand", described.command), begins)
            if described.ready is not None:
                said += f", and {_wait(session, described.ready, client)}"
    finally:
        client.close()
    return session.redactor.text(said)


def _request(session: Session, described: ResetRequest, client: HttpClient, begins: Callable[[], None]) -> str:
    with _before():
        endpoint = _endpoint(session, described.endpoint)
        session.scope.addresses(endpoint.host, endpoint.port)
        # What was undone before may have met a place that hangs; it is asked all the same.
        session.silence.answered(session.scope.describe(endpoint.host, endpoint.port))
        values = {**generated(), **_secrets(session, described.secrets)}
        headers = {**_credential(session, described), **fill(described.headers, values)}
        body = fill(described.json_body, values)
        content = None
        if described.form is not None:
            content = urlencode({key: str(one) for key, one in fill(described.form, values).items()}).encode()
            headers = {"Content-Type": FORM, **headers}
    begins()
    answer = client.send(
        described.method,
        url_of(endpoint, described.path),
        headers=headers,
        json=body,
        content=content,
        deadline_seconds=described.within_seconds,
    )
    if not _is_one(answer, described.statuses):
        raise Unobservable(f"{described.method} {described.path} answered {answer.status}")
    _shown(described, answer.text, answer.json, "its answer")
    return f"{described.method} {described.path} answered {answer.status}"


def _credential(session: Session, described: ResetRequest) -> dict[str, str]:
    """The headers that make the request somebody's; a login is made for it."""
    if described.identity is not None:
        members = cast("Api", session.probe(Api))
        return members.credentials.header(members.identity(described.identity), members.client(""))
    if described.staff is not None:
        staff = cast("Staff", session.probe(Staff))
        return staff.credentials.header(staff.identity(described.staff), staff.client(""))
    return {}


def _command(session: Session, described: ResetCommand, begins: Callable[[], None]) -> str:
    name = described.run[0]
    with _before():
        folder = session.target_folder / (described.folder or "")
        environment = {**os.environ, **_secrets(session, described.environment)}
        if not folder.is_dir():
            raise Unobservable(f"the folder {folder} is not there")
        program = str(folder / name) if "/" in name else name
        if shutil.which(program, path=environment.get("PATH")) is None:
            raise Unobservable(f"the program {name} cannot be run: it is not there, or is no program")
    begins()
    with tempfile.TemporaryFile() as output:
        code = _run([program, *described.run[1:]], folder, environment, described.within_seconds, output.fileno())
        size = os.fstat(output.fileno()).st_size
        output.seek(max(0, size - KEPT))
        text = output.read(KEPT).decode("utf-8", "replace")
    if code not in described.exit_codes:
        said = text.strip().rpartition("\n")[2][-300:]
        raise Unobservable(f"{name} ended with {code}{f': {said}' if said else ''}")
    if described.holds and size > KEPT:
        raise Unobservable(f"{name} printed more than {KEPT >> 10} KiB, which is not read as JSON")
    _shown(described, text, lambda: _parsed(text, name), "its output")
    return f"{name} ended with {code}"


def _run(arguments: list[str], folder: Path, environment: Mapping[str, str], seconds: float, output: int) -> int:
    """The exit code of a program; what it leaves running when it ends in time is let be, for it may be the deployment itself."""
    try:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,  # A file, and no pipe: what it leaves running must not lose where it writes to.
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise Unobservable(f"{arguments[0]} cannot be run: {error.strerror or type(error).__name__}") from None
    end = time.monotonic() + seconds
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(0.1, max(0.0, end - time.monotonic())))
            if os.fstat(output).st_size > MOST_PRINTED:
                raise Unobservable(f"{arguments[0]} printed more than {MOST_PRINTED >> 20} MiB, and was stopped")
            if time.monotonic() >= end:
                raise TimedOut(f"{arguments[0]} did not end within {seconds:g} s, and was stopped")
    finally:
        if process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_STOP_SECONDS)


def _wait(session: Session, described: Ready, client: HttpClient) -> str:
    """Ask until the page answers as it should; raises TimedOut with what the last time was like."""
    endpoint = _endpoint(session, described.endpoint)
    url, end = url_of(endpoint, described.path), time.monotonic() + described.within_seconds
    place = session.scope.describe(endpoint.host, endpoint.port)
    while True:
        try:
            left = max(_AGAIN_SECONDS, end - time.monotonic())
            answer = client.send("GET", url, deadline_seconds=min(left, session.target.timeout_seconds))
            if not _is_one(answer, described.statuses):
                raise Unobservable(f"it answered {answer.status}")
            _shown(described, answer.text, answer.json, "its answer")
        except Unobservable as error:
            if time.monotonic() >= end:
                within = f"within {described.within_seconds:g} s"
                raise TimedOut(f"GET {described.path} did not answer as it should {within}: {error.reason}") from None
            session.silence.answered(place)  # It is asked again, however often it did not answer.
            time.sleep(min(_AGAIN_SECONDS, max(0.0, end - time.monotonic())))
        else:
            return f"GET {described.path} answers {answer.status}"


def _is_one(answer: Answer, statuses: tuple[int, ...]) -> bool:
    return answer.status in statuses if statuses else 200 <= answer.status < 300


def _shown(described: Shows, text: str, data: Callable[[], Any], where: str) -> None:
    """Raises Unobservable where an answer or an output does not show what it must; no value of it is repeated."""
    if described.text is not None and re.search(described.text, text) is None:
        raise Unobservable(f"{where} does not show {described.text!r}")
    if described.holds:
        found = data()
        for query, wanted in described.holds.items():
            if not holds(found, query, wanted):
                raise Unobservable(f"{where} does not have {wanted!r} at {query}")


def _parsed(text: str, program: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unobservable(f"{program} printed what is no JSON") from None


def _endpoint(session: Session, name: str) -> Endpoint:
    for one in session.target.endpoints:
        if one.name == name:
            return one
    raise Unobservable(f"the target has no endpoint {name}")


def _secrets(session: Session, named: Mapping[str, str]) -> dict[str, str]:
    found = {name: resolve(reference, session.target_folder) for name, reference in named.items()}
    for name, value in found.items():
        with contextlib.suppress(ValueError):  # One that is too short to be hidden is not shown by this module either.
            session.redactor.add(value, f"reset.{name}")
    return found


@contextlib.contextmanager
def _before() -> Iterator[None]:
    """What stands in the way inside the block does so before anything was begun."""
    try:
        yield
    except Unobservable as error:
        raise NotBegun(error.reason) from None
