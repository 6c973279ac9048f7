"""Markdown and MDX as blocks, with the lines of the source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from upheld.errors import Unobservable
from upheld.probes.html_text import content
from upheld.reading.page import Block

_FRONT = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_CODE = re.compile(r"(?ms)^(```|~~~).*?^\1[^\n]*$|`[^`\n]*`")
_IMPORT = re.compile(r"(?m)^(?:import|export)\b[^\n]*(?:\n(?!\s*$|[#*\-<])[^\n]*)*")
_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)
_ELEMENT = re.compile(r"</?[A-Z][\w.]*(?:\s+[\w-]+(?:=(?:\"[^\"]*\"|'[^']*'|\{[^{}]*\}))?)*\s*/?>|</?>")
_SHOWN = re.compile(
    r"\b(?:title|label|heading|value|text|description|subtitle|caption|figure|detail)=(?:\"([^\"]*)\"|'([^']*)'|\{\s*[\"'`]([^\"'`{}]*)[\"'`]\s*\})"
)
_EXPRESSION = re.compile(r"\{[^{}\n]*\}")
_ADMONITION = re.compile(r"(?m)^:::[^\n]*$")


def blocks(text: str, *, mdx: bool = False) -> Iterator[Block]:
    """The blocks of a document, without front matter, comments, code blocks and, in MDX, imports, elements and expressions."""
    text = _FRONT.sub(_blank, text.replace("\r\n", "\n"), count=1)
    if mdx:
        text = _plain(text)
    yield from _of_tokens(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text))


def _blank(found: re.Match[str]) -> str:
    """Nothing in the place of what was found, on as many lines."""
    return "\n" * found.group().count("\n")


def _plain(text: str) -> str:
    """MDX as Markdown: what elements show in their attributes stands as text of its own, and lines keep their numbers."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found.group())
        return f"\x00{len(kept) - 1}\x00"

    text = _CODE.sub(keep, text)
    text = _ADMONITION.sub("", _IMPORT.sub(_blank, _COMMENT.sub(_blank, text)))
    text = _EXPRESSION.sub("", _ELEMENT.sub(_shown, text))
    # What stands inside of an element is often indented, and is no code for that.
    text = re.sub(r"(?m)^[ \t]+(?=[^\s\-*+\d])", "", text)
    return re.sub("\x00(\\d+)\x00", lambda found: kept[int(found[1])], text)


def _shown(found: re.Match[str]) -> str:
    shown = [next(filter(None, one), "") for one in _SHOWN.findall(found.group())]
    lines = found.group().count("\n")
    if not any(shown):
        return "\n" * lines
    # A table of one row: what one element shows belongs together.
    return f"<table><tr>{''.join(f'<td>{one}</td>' for one in shown)}</tr></table>" + "\n" * lines


def _of_tokens(tokens: Sequence[Token]) -> Iterator[Block]:
    kinds: list[str] = []
    level = row = 0
    for token in tokens:
        line = token.map[0] + 1 if token.map else 0
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "heading_close":
            level = 0
        elif token.type in {"list_item_open", "td_open", "th_open"}:
            kinds.append("item" if token.type == "list_item_open" else "cell")
        elif token.type in {"list_item_close", "td_close", "th_close"}:
            kinds.pop()
        elif token.type == "tr_open":
            row += 1
        elif token.type == "html_block":
            yield from _of_html(token.content, line, row)
            row += token.content.count("<tr")
        elif token.type == "inline":
            kind = "heading" if level else kinds[-1] if kinds else "paragraph"
            for text in _texts(token.children or ()):
                yield Block(text, kind, level, row if kind == "cell" else 0, line)


def _of_html(html: str, line: int, row: int) -> Iterator[Block]:
    try:
        lines = content(html, "body", "https://page.invalid/").lines
    except Unobservable:
        return
    rows: dict[int, int] = {}
    for one in lines:
        kind = {"li": "item", "td": "cell", "th": "cell"}.get(one.tag, "paragraph")
        level = int(one.tag[1]) if re.fullmatch("h[1-6]", one.tag) else 0
        number = rows.setdefault(one.group, row + len(rows) + 1) if kind == "cell" else 0
        yield Block(one.text, "heading" if level else kind, level, number, line)


def _texts(tokens: Sequence[Token]) -> Iterator[str]:
    """What a reader sees of the inside of a block, a text for each line that the author broke on purpose."""
    words: list[str] = []
    struck = 0
    for token in tokens:
        if token.type == "html_inline":
            struck += bool(re.match(r"<(?:del|s)\b", token.content)) - bool(re.match(r"</(?:del|s)>", token.content))
            if re.match(r"<br\b", token.content):
                yield "".join(words)
                words = []
        elif token.type in {"s_open", "s_close"}:
            struck += 1 if token.type == "s_open" else -1
        elif token.type == "hardbreak":
            yield "".join(words)
            words = []
        elif token.type == "softbreak":
            words.append(" ")
        elif token.type in {"text", "code_inline"} and not struck:
            words.append(token.content)
    yield "".join(words)
