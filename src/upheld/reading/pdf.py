"""PDF as blocks: the text of each page, read by pypdf in a process of its own that has little memory and little time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

from upheld.errors import InputError, Mistake
from upheld.reading.page import Block
from upheld.reading.text import blocks as text_blocks

SECONDS = 30
_MEGABYTES = 1_024
_MOST_PAGES = 200
_READER = """
import io, json, resource, sys
megabytes, seconds, pages = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
import logging
logging.disable(logging.CRITICAL)
try:
    import pypdf
except ImportError:
    print(json.dumps({"wrong": "missing"})); sys.exit()
try:
    reader = pypdf.PdfReader(io.BytesIO(sys.stdin.buffer.read()))
    if reader.is_encrypted and not reader.decrypt(""):
        print(json.dumps({"wrong": "it is locked by a password"})); sys.exit()
    count = len(reader.pages)
    if count > pages:
        print(json.dumps({"wrong": f"it has {count} pages, more than the {pages} that are read"})); sys.exit()
    texts = [page.extract_text() or "" for page in reader.pages]
except Exception as error:
    print(json.dumps({"wrong": f"it is broken ({type(error).__name__})"})); sys.exit()
print(json.dumps({"texts": texts}))
"""


def blocks(raw: bytes, source: str) -> Iterator[Block]:
    """The blocks of a PDF's text; raises InputError where none can be had, with what to do."""
    argv = [sys.executable, "-I", "-c", _READER, str(_MEGABYTES), str(SECONDS), str(_MOST_PAGES)]
    try:
        done = subprocess.run(argv, input=raw, capture_output=True, timeout=2 * SECONDS, check=False)
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise _wrong(
            source, f"the PDF cannot be read in {SECONDS} s and {_MEGABYTES} MiB", "a smaller one, or its text"
        ) from None
    if answer.get("wrong") == "missing":
        raise _wrong(
            source, "PDF is read by pypdf, which is not installed", "pip install 'upheld[pages]', or the page's text"
        )
    if "wrong" in answer:
        raise _wrong(
            source, f"the PDF cannot be read: {answer['wrong']}", "a PDF that opens without a password, or its text"
        )
    texts = [str(one) for one in answer["texts"]]
    if sum(len(re.findall(r"[^\W\d_]{2,}", one)) for one in texts) < 2 * len(texts) or not texts:
        message = "the PDF holds no text, only pictures (is it a scan?)"
        raise _wrong(source, message, "a PDF with text: run it through OCR first, and read what comes of it")
    for number, text in enumerate(texts, 1):
        for block in text_blocks(text):
            yield Block(
                block.text, block.kind, block.level, block.row + 10_000 * number if block.row else 0, page=number
            )


def _wrong(source: str, message: str, expected: str) -> InputError:
    return InputError([Mistake(source, 0, 0, message, expected=expected)])
