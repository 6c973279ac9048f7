"""Where a fleet's audits run: worker processes of this machine, or a Dask cluster that stands already.

Whoever reaches a Dask scheduler can run what they like on its workers. So the one that is started here listens on the loopback address
only, asks for certificates that live in memory, and shows no page; one that is reached over a network is reached by TLS with
certificates of the cluster's own authority, unless somebody says that the network itself keeps strangers out (`--without-tls`).
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import signal
import ssl
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upheld import __version__
from upheld.errors import InputError, Mistake, UpheldError

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

_ADDRESS = re.compile(r"(?P<scheme>tls|tcp)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/\[\]:@]+):(?P<port>[0-9]{1,5})/?")
_EXPECTED = "tls://HOST:PORT, or tcp://HOST:PORT on this machine"
_CONNECT_SECONDS = 20
_QUIET = ("distributed", "distributed.client", "distributed.scheduler", "tornado", "tornado.application", "asyncio")
_PART = "upheld.fleet.cluster"


class NoCluster(UpheldError):
    """The cluster cannot be reached or used; the message says which and why. Nothing was sent to any target."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cluster: `workers` processes of this machine, or the scheduler at an address with the files that TLS needs."""

    workers: int | None = None
    scheduler: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    without_tls: bool = False


def checked(choice: Choice) -> None:
    """Raise InputError with everything that is wrong with a choice, before anything is started."""
    mistakes = list(_mistakes(choice))
    if mistakes:
        raise InputError(mistakes)
    if choice.scheduler is not None and choice.scheduler.startswith("tls:"):
        _try_files(choice)


@contextmanager
def connected(choice: Choice) -> Iterator[Client]:
    """A client of the cluster, for the block; a local cluster ends with it. Raises InputError or NoCluster."""
    checked(choice)
    from distributed import Client  # noqa: PLC0415  (only the fleet needs it, and it takes long to import)

    with _quiet():
        if choice.scheduler is None:
            with _local(choice.workers or os.cpu_count() or 1) as cluster, Client(cluster, **_CLIENT) as client:
                yield client
            return
        try:
            client = Client(choice.scheduler, security=_security(choice), timeout=_CONNECT_SECONDS, **_CLIENT)
        except (OSError, ssl.SSLError, ValueError, RuntimeError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise NoCluster(f"the scheduler {choice.scheduler} cannot be reached: {said[-1]}") from error
        try:
            yield client
        finally:
            client.close(timeout=5)


_CLIENT: dict[str, Any] = {"set_as_default": False}


def versions(client: Client, workers: Iterable[str], seconds: float) -> dict[str, str]:
    """The version of upheld on each of those workers, or what is wrong there; raises as Dask does where they do not answer in time."""
    chosen = list(workers)
    if not chosen:
        return {}
    found = client.run(_installed, workers=chosen, on_error="return", callback_timeout=seconds)
    return {str(worker): _said(answer) for worker, answer in found.items()}


def other(found: dict[str, str]) -> list[str]:
    """What to say of workers on which another version of upheld is installed than here, or none."""
    return [
        f"the worker {worker} has {_which(said)}, this machine has upheld {__version__}"
        for worker, said in sorted(found.items())
        if said != __version__
    ]


def dask_setup(worker: Any) -> None:  # noqa: ARG001  (Dask calls it so)
    """Called by Dask in each worker process that is started here: Ctrl-C in the terminal is for the controller, which stops them in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _installed() -> str:
    return __version__


def _said(answer: object) -> str:
    if isinstance(answer, BaseException):
        return f"{type(answer).__name__}: {answer}"
    return str(answer)


def _which(said: str) -> str:
    return f"upheld {said}" if re.fullmatch(r"[0-9][0-9A-Za-z.+-]*", said) else f"no upheld that can be used ({said})"


def _mistakes(choice: Choice) -> Iterator[Mistake]:
    files = {"--tls-ca": choice.ca, "--tls-cert": choice.cert, "--tls-key": choice.key}
    if choice.workers is not None and choice.workers < 1:
        yield Mistake("--workers", 0, 0, "is no number of processes", str(choice.workers), "1 or more")
    if choice.scheduler is None:
        for name in (name for name, path in files.items() if path is not None):
            yield Mistake(name, 0, 0, "is for a cluster that stands already", expected="--scheduler tls://HOST:PORT")
        if choice.without_tls:
            yield Mistake("--without-tls", 0, 0, "is for a cluster that stands already", expected="--scheduler tcp://…")
        return
    if choice.workers is not None:
        yield Mistake(
            "--workers", 0, 0, "is for workers of this machine", expected="--workers or --scheduler, not both"
        )
    found = _ADDRESS.fullmatch(choice.scheduler)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        yield Mistake("--scheduler", 0, 0, "is no address of a scheduler", repr(choice.scheduler), _EXPECTED)
        return
    if found["scheme"] == "tls":
        if choice.without_tls:
            yield Mistake("--without-tls", 0, 0, "contradicts --scheduler", repr(choice.scheduler), "one of the two")
        for name, path in files.items():
            if path is None:
                yield Mistake(name, 0, 0, "is missing, which a scheduler with TLS needs", expected="a file (PEM)")
        return
    for name in (name for name, path in files.items() if path is not None):
        yield Mistake(name, 0, 0, "is not used without TLS", repr(choice.scheduler), "--scheduler tls://HOST:PORT")
    if not choice.without_tls and not _loopback(found["host"].strip("[]")):
        message = "reaches another machine without TLS: whoever is in between could run anything on the workers"
        expected = "tls://HOST:PORT with --tls-ca, --tls-cert and --tls-key (or --without-tls, where the network keeps all others out)"
        yield Mistake("--scheduler", 0, 0, message, repr(choice.scheduler), expected)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _try_files(choice: Choice) -> None:
    """Raise InputError for files that TLS cannot be made with, each named."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    mistakes = []
    try:
        context.load_verify_locations(choice.ca)
    except (OSError, ValueError) as error:
        mistakes.append(Mistake("--tls-ca", 0, 0, f"{choice.ca} cannot be used: {_why(error)}"))
    try:
        # Nobody is asked for the password of a key: Dask would ask for it again and again.
        context.load_cert_chain(choice.cert or "", choice.key, password=lambda: "")
    except (OSError, ValueError) as error:
        both = f"{choice.cert} with --tls-key {choice.key}"
        mistakes.append(Mistake("--tls-cert", 0, 0, f"{both} cannot be used: {_why(error)}"))
    if mistakes:
        raise InputError(mistakes)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):  # What ssl says of PEM is no sentence.
        return "no such PEM files, encrypted, or not of each other"
    return error.strerror or type(error).__name__


def _security(choice: Choice) -> Security | None:
    if choice.ca is None:
        return None
    from distributed.security import Security  # noqa: PLC0415  (likewise)

    files = {"tls_ca_file": choice.ca, "tls_client_cert": choice.cert, "tls_client_key": choice.key}
    given = {name: str(path) for name, path in files.items()}
    return Security(require_encryption=True, **given)


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Worker processes of this machine, of one thread each, which only this process can reach."""
    import dask  # noqa: PLC0415  (likewise)
    from distributed import LocalCluster  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    # No page of Dask's about what runs: it would show the whole machine what is audited.
    pages: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with dask.config.set(pages):
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                security=Security.temporary(),
                dashboard_address=None,
                # By itself a scheduler without a dashboard listens on 8787 and warns where that is taken.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "dashboard": False},
                silence_logs=logging.CRITICAL,
                memory_limit=None,  # An audit's memory is not the worker's, and no worker is to be killed for it.
                preload=[_PART],
            )
        except (OSError, RuntimeError, TimeoutError) as error:
            raise NoCluster(f"the workers cannot be started: {str(error) or type(error).__name__}") from error
        with cluster:
            yield cluster


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own words are for those who run a cluster; what happens to it is told by the fleet's report."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    before = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(distributed|dask)\b")
        warnings.filterwarnings("ignore", message="Sending large graph")
        for one in loggers:
            one.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for one, level in zip(loggers, before, strict=True):
                one.setLevel(level)
