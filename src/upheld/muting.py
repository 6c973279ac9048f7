"""What a process says beside its results while it audits (logs, warnings, errors of threads), each without secrets.

Libraries under the probes log and warn with what they send and receive; none of it passes through a look.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

Clean = Callable[[str], str]


@contextmanager
def muted(clean: Clean) -> Iterator[None]:
    """Inside the block, whatever this process logs, warns or says of errors that nobody caught passes through `clean`."""
    record_factory, show = logging.getLogRecordFactory(), warnings.showwarning
    threads, errors, unraisable = threading.excepthook, sys.excepthook, sys.unraisablehook

    def record(*args: object, **kwargs: object) -> logging.LogRecord:
        made = record_factory(*args, **kwargs)
        _clean_record(made, clean)
        return made

    def warn(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        show(clean(str(message)), category, filename, lineno, file, line)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        said = _traceback(args.exc_type, args.exc_value, args.exc_traceback)
        sys.stderr.write(clean(f"{args.thread.name if args.thread else 'a thread'} broke:\n{said}"))

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(clean(_traceback(kind, error, trace)))

    def ignored(args: sys.UnraisableHookArgs) -> None:
        sys.stderr.write(clean(f"ignored:\n{_traceback(args.exc_type, args.exc_value, args.exc_traceback)}"))

    logging.setLogRecordFactory(record)
    warnings.showwarning = warn
    threading.excepthook, sys.excepthook, sys.unraisablehook = in_thread, uncaught, ignored
    try:
        yield
    finally:
        logging.setLogRecordFactory(record_factory)
        warnings.showwarning = show
        threading.excepthook, sys.excepthook, sys.unraisablehook = threads, errors, unraisable


def _clean_record(record: logging.LogRecord, clean: Clean) -> None:
    try:
        record.msg, record.args = clean(record.getMessage()), None
    except Exception:
        record.msg, record.args = clean(f"{record.msg} {record.args}"), None
    if record.exc_info and record.exc_info[0] is not None:
        # Formatters take the text that is there already.
        record.exc_text = clean(_traceback(*record.exc_info).rstrip("\n"))
    if record.stack_info:
        record.stack_info = clean(record.stack_info)


def _traceback(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> str:
    return "".join(traceback.format_exception(kind, error, trace))
