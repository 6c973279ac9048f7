"""Pages in, sentences out: every format, its places and rows, and what is no page."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from loopback import ROOT
from upheld.errors import InputError, Unobservable
from upheld.probes.html_text import sentences
from upheld.reading import LARGEST, MOST, Page, of_bytes, of_file, of_html

MARKDOWN = """---
title: Front matter is not read
---
# Security

Everything is **encrypted** with
[TLS 1.2](https://example.com) or later. We keep `logs` for 90 days.

- One item
  that goes on
- Two ~~struck~~ left

## Table

| What | How long |
|------|----------|
| Logs | 90 days  |
| Mail | 30 days  |

```sh
this is code
```
<!-- this is a comment -->
<div>Markup of <b>HTML</b></div>
"""
MDX = """import Card from './card'
export const year = 2026

# Security

<Stat label="Encryption at rest" value="AES-256" />
<Card title={"Backups"}>
  Taken every day. {/* said to nobody */}Kept for 30 days{year}.
</Card>

| What | How |
|------|-----|
| `{x}` | yes |
"""
HTML = """<!doctype html><html><body><nav>Home</nav><main><h1>Security</h1><h2>At rest</h2>
<dl><dt>Tokens</dt><dd>AES-256</dd><dt>Logs</dt><dd>90 days</dd></dl>
<div><div><p>TLS</p><p>1.2+</p></div></div><table><tr><th>Backups</th><td>daily <p>encrypted</p></td></tr></table>
<ul><li>Keys “rotate” yearly. Nobody’s key is older.</li></ul><p hidden>not seen</p></main></body></html>"""
TEXT = """SECURITY POLICY

1. Encryption

All traffic is encrypted in transit with TLS 1.2 or later, on every
host that we run, and
never in the clear.

  * first item
  * second item which is rather long so that it has to be wrapped into
    another line

Logs
90 days
Mail
30 days
"""


def texts(page: Page) -> list[str]:
    return [one.text for one in page.sentences]


def read(text: str, kind: str = "") -> Page:
    return of_bytes(text.encode(), "page", kind)


def test_markdown_is_read_by_blocks_with_lines_headings_and_rows() -> None:
    page = read(MARKDOWN, "markdown")
    assert texts(page) == [
        "Security",
        "Everything is encrypted with TLS 1.2 or later",
        "We keep logs for 90 days",
        "One item that goes on",
        "Two left",
        "Table",
        "What",
        "How long",
        "Logs",
        "90 days",
        "Mail",
        "30 days",
        "Markup of HTML",
    ]
    by_text = {one.text: one for one in page.sentences}
    assert by_text["Everything is encrypted with TLS 1.2 or later"].verbatim.endswith("later.")
    assert str(by_text["We keep logs for 90 days"].place) == "line 6"
    assert by_text["90 days"].row == ("Logs", "90 days")
    assert by_text["90 days"].above == ("Security", "Table")
    assert by_text["One item that goes on"].block == "item"
    assert page.language == "en"


def test_mdx_shows_what_its_elements_show_and_nothing_of_its_code() -> None:
    page = read(MDX, "mdx")
    assert texts(page) == [
        "Security",
        "Encryption at rest",
        "AES-256",
        "Backups",
        "Taken every day",
        "Kept for 30 days",
        "What",
        "How",
        "{x}",
        "yes",
    ]
    assert next(one for one in page.sentences if one.text == "AES-256").row == ("Encryption at rest", "AES-256")
    assert next(one for one in page.sentences if one.text == "Encryption at rest").place.line == 6


def test_html_is_read_as_the_published_page_is_compared() -> None:
    page = of_html(HTML, "page")
    rows = {one.text: one.row for one in page.sentences}
    assert page.main == "main"
    assert rows["AES-256"] == ("Tokens", "AES-256")
    assert rows["90 days"] == ("Logs", "90 days")
    assert rows["1.2+"] == ("TLS", "1.2+")
    assert rows["encrypted"] == ("Backups", "daily", "encrypted")
    assert 'Keys "rotate" yearly' in rows
    assert next(one for one in page.sentences if one.text == 'Keys "rotate" yearly').verbatim == "Keys “rotate” yearly."
    assert not {"Home", "not seen"} & rows.keys()
    assert of_html(HTML, "page", "nav").sentences[0].text == "Home"


def test_plain_text_joins_wrapped_lines_and_knows_titles_items_and_figures() -> None:
    page = read(TEXT)
    assert texts(page) == [
        "SECURITY POLICY",
        "1. Encryption",
        "All traffic is encrypted in transit with TLS 1.2 or later, on every host that we run, and never in the clear",
        "first item",
        "second item which is rather long so that it has to be wrapped into another line",
        "Logs",
        "90 days",
        "Mail",
        "30 days",
    ]
    assert [one.heading for one in page.sentences[:3]] == [True, True, False]
    assert page.sentences[5].row == ("Logs", "90 days")
    assert page.sentences[7].row == ("Mail", "30 days")


def test_the_published_page_gives_the_sentences_that_it_has_line_by_line() -> None:
    path = ROOT / "tests/data/published-security-page.txt"
    by_line = [one for line in path.read_text(encoding="utf-8").splitlines() for one in sentences(line)]
    assert texts(of_file(path)) == list(dict.fromkeys(by_line))


def test_security_insights_are_keys_with_values_under_their_mappings() -> None:
    page = read(
        "header: {schema-version: 2.0.0}\n"
        "project:\n  vulnerability-reporting:\n    bug-bounty-available: false\n    comment: Reports are answered. Always.\n"
        "repository:\n  security:\n    tools:\n      - {name: scanner, type: SCA}\n",
        "insights",
    )
    by_text = {one.text: one for one in page.sentences}
    assert by_text["bug-bounty-available: false"].above == ("project", "vulnerability reporting")
    assert by_text["bug-bounty-available: false"].place.line == 4
    assert by_text["type: SCA"].above == ("repository", "security", "tools")
    assert "comment: Reports are answered" in by_text


def pdf(*lines: str) -> bytes:
    """A PDF of one page with these lines, and nothing else."""
    text = "BT /F1 12 Tf 14 TL 50 750 Td " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    made = io.BytesIO(b"")
    made.write(b"%PDF-1.4\n")
    places = []
    for number, one in enumerate(objects, 1):
        places.append(made.tell())
        made.write(f"{number} 0 obj\n{one}\nendobj\n".encode())
    table = made.tell()
    made.write(f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode())
    made.writelines(f"{place:010d} 00000 n \n".encode() for place in places)
    made.write(f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF".encode())
    return made.getvalue()


def test_pdf_is_read_page_by_page() -> None:
    page = of_bytes(
        pdf("Security", "", "All traffic is encrypted with TLS 1.2 or later.", "We keep logs for 90 days."), "page.pdf"
    )
    assert "All traffic is encrypted with TLS 1.2 or later" in texts(page)
    assert str(page.sentences[0].place) == "page 1"


@pytest.mark.parametrize(
    ("raw", "name", "said"),
    [
        (b"", "page.md", "is empty"),
        (b" \n\t", "page.html", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "page.html", "it is a picture"),
        (b"PK\x03\x04word", "page.docx", "save it as PDF or HTML"),
        (b"abc\0def", "page.txt", "it is binary"),
        (b"caf\xe9 is kept", "page.txt", "not UTF-8"),
        (b"x" * (LARGEST + 1), "page.txt", "too large"),
        (b"x" * (1024 * 1024 + 1), "page.md", "bytes of Markdown"),
        (b"|a" * 20_000 + b"\n" + b"|-" * 20_000, "page.md", ""),
        (b"<p>x</p>" * 20_001, "page.html", "no text"),
        (b"<div>" * 4_000 + b"deep", "page.html", ""),
        (b"<html><script>render()</script></html>", "page.html", "made by a script"),
        (b"<html><body><form>Log in <input type=password></form></body></html>", "page.html", "asks for a login"),
        (b"%PDF-1.4\nbroken", "page.pdf", "the PDF cannot be read"),
        (b"words", "page.pdf", "no PDF, in spite of its name"),
        (b"a: 1", "page.yml", "no SECURITY-INSIGHTS.yml"),
        (b"a: [", "page.yaml", ""),
        (b"```\nonly code\n```\n", "page.md", "has no text"),
    ],
)  # fmt: skip
def test_what_is_no_page_is_said_with_what_to_do(tmp_path: Path, raw: bytes, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(raw)
    if raw.startswith((b"<div>", b"|a")):
        assert texts(of_file(tmp_path / name)) == ["deep" if raw.startswith(b"<") else "a"]
        return
    with pytest.raises(InputError) as caught:
        of_file(tmp_path / name)
    assert said in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_pdf_of_pictures_says_that_it_may_be_a_scan() -> None:
    with pytest.raises(InputError, match=re.escape("is it a scan?")):
        of_bytes(pdf(), "page.pdf")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    for name, said in (("pipe.md", "it is no file"), ("", "it is no file"), ("missing.md", "No such file")):
        with pytest.raises(InputError, match=said):
            of_file(tmp_path / name)


def test_sentences_are_bounded_and_what_is_left_out_is_counted() -> None:
    with pytest.raises(InputError, match=f"more than {MOST} sentences"):
        read("\n\n".join(f"Sentence number {number}." for number in range(MOST + 1)), "markdown")
    assert read(f"{'long ' * 1000}\n\nshort\n", "markdown").left_out == 1


def test_a_page_without_the_element_that_was_named_is_unobservable() -> None:
    with pytest.raises(Unobservable, match="no element that matches"):
        of_html(HTML, "page", "#missing")
