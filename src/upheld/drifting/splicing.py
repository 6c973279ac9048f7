"""Changing a policy's text in single places: everything else stays as it is, byte for byte.

ruamel.yaml says where each part stands; the parts that change are put in between, and nothing is written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from upheld.errors import InputError, InternalFault, Mistake

_PLAIN = re.compile(r"[A-Za-z][\w /()+%.'’—–-]*[\w)+%]")
_TAKEN_FOR_OTHERS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class Text:
    """The text of one policy file, with the places of its parts, and the changes that are to be made to it."""

    def __init__(self, text: str) -> None:
        try:
            from ruamel.yaml import YAML  # noqa: PLC0415  (late: an extra, and `upheld` starts fast)
        except ImportError:
            expected = "pip install 'upheld[drift]'"
            raise InputError([Mistake("--update", 0, 0, "ruamel.yaml is not installed", expected=expected)]) from None
        self.text = text
        self._root: Any = YAML(typ="rt").compose(text)
        self._edits: list[tuple[int, int, str]] = []
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def changed(self) -> str:
        """The text with all changes made."""
        made = self.text
        last = len(made) + 1
        for start, end, instead in sorted(self._edits, key=lambda one: (one[0], one[1]), reverse=True):
            if end > last:
                raise InternalFault("two changes to the policy are in each other's way")
            made, last = made[:start] + instead + made[end:], start
        return made

    # --- finding ----------------------------------------------------------------------------------------------------

    def claims(self) -> Mapping[str, Any]:
        """The nodes of the claims, by id."""
        found: dict[str, Any] = {}
        for node in self._items(self._root, "claims"):
            identity = _value(node, "id")
            if identity is not None:
                found[identity.value] = node
        return found

    @staticmethod
    def _items(node: Any, key: str) -> list[Any]:
        listed = _value(node, key)
        return list(listed.value) if listed is not None and isinstance(listed.value, list) else []

    def sentences(self, claim: Any) -> list[Any]:
        """The nodes of the sentences that a claim lists."""
        return self._items(claim, "sentences")

    # --- changing ---------------------------------------------------------------------------------------------------

    def set_value(self, claim: Any, key: str, value: str) -> None:
        """Set a text of a claim, which may be there already or not."""
        node = _value(claim, key)
        if node is None:
            self.add(claim, key, value)
        else:
            self.set_scalar(node, value)

    def set_scalar(self, node: Any, value: str) -> None:
        """Put another text in the place of one, in its style where that can be."""
        plain = node.style is None and _PLAIN.fullmatch(value) and value.lower() not in _TAKEN_FOR_OTHERS
        self._edits.append((node.start_mark.index, _end(self.text, node), value if plain else quoted(value)))

    def add(self, claim: Any, key: str, value: object) -> None:
        """Add a key with a value to a claim, after its sentences or its statement."""
        shown = value if isinstance(value, str) and _PLAIN.fullmatch(value) else flow(value)
        if claim.flow_style:
            self._edits.append((claim.end_mark.index - 1, claim.end_mark.index - 1, f", {key}: {shown}"))
            return
        after = next(
            node for node in (_value(claim, "sentences"), _value(claim, "statement"), claim) if node is not None
        )
        at = self._line_after(_end(self.text, after))
        self._edits.append((at, at, f"{' ' * claim.start_mark.column}{key}: {shown}{self._newline}"))

    def prepend(self, claim: Any, key: str, item: Mapping[str, object]) -> None:
        """Add an item to the list under a key of a claim, before those that are there."""
        listed = _value(claim, key)
        if listed is None or not listed.value:
            if listed is not None:
                self._edits.append((listed.start_mark.index, _end(self.text, listed), flow([item])))
            else:
                self.add(claim, key, [item])
        elif listed.flow_style:
            self._edits.append((listed.start_mark.index + 1, listed.start_mark.index + 1, f"{flow(item)}, "))
        else:
            first = listed.value[0]
            dash = self.text.rindex("-", 0, first.start_mark.index)
            start = self.text.rfind("\n", 0, dash) + 1
            self._edits.append((start, start, f"{' ' * (dash - start)}- {flow(item)}{self._newline}"))

    def drop_sentences(self, claim: Any, which: set[int]) -> None:
        """Take sentences out of the list of a claim; all of them, and the list goes too."""
        listed = _value(claim, "sentences")
        if listed is None:
            return
        if len(which) == len(listed.value):
            self._drop_key(claim, "sentences")
        elif listed.flow_style:
            kept = [node.value for index, node in enumerate(listed.value) if index not in which]
            self._edits.append((listed.start_mark.index, listed.end_mark.index, flow(kept)))
        else:
            for index in which:
                node = listed.value[index]
                dash = self.text.rindex("-", 0, node.start_mark.index)
                self._edits.append((self.text.rfind("\n", 0, dash) + 1, self._line_after(_end(self.text, node)), ""))

    def _drop_key(self, claim: Any, key: str) -> None:
        name, node = next((name, node) for name, node in claim.value if name.value == key)
        if not claim.flow_style:
            start = self.text.rfind("\n", 0, name.start_mark.index) + 1
            self._edits.append((start, self._line_after(_end(self.text, node)), ""))
            return
        before = self.text.rfind(",", 0, name.start_mark.index)
        self._edits.append((before, _end(self.text, node), ""))

    def insert_claim(self, after: str, lines: list[str]) -> None:
        """Put a claim behind another one (or first, where `after` names none), with the indentation of the others."""
        self._insert(self.claims().get(after), "claims", lines)

    def insert_no_promise(self, lines: list[str]) -> None:
        """Put sentences at the end of those that promise nothing."""
        items = self._items(self._root, "no_promise")
        self._insert(items[-1] if items else None, "no_promise", lines)

    def _insert(self, behind: Any, key: str, lines: list[str]) -> None:
        items = self._items(self._root, key)
        if not items:
            if _value(self._root, key) is not None:
                raise InternalFault(f"{key} is there and empty: write one entry by hand first")
            at = len(self.text)
            head = "" if self.text.endswith("\n") else self._newline
            self._edits.append((at, at, head + self._newline.join([f"{key}:", *lines, ""])))
            return
        listed = _value(self._root, key)
        if listed.flow_style:
            raise InternalFault(f"{key} is written in one pair of brackets: nothing can be put in between")
        column = items[0].start_mark.column
        first_dash = self.text.rindex("-", 0, items[0].start_mark.index)
        indent = first_dash - (self.text.rfind("\n", 0, first_dash) + 1)
        line = self.text.rfind("\n", 0, first_dash) + 1
        at = line if behind is None else self._line_after(_end(self.text, behind))
        own = len(lines[0]) - len(lines[0].lstrip())
        # A claim's keys stand where those of the others do, however far the dash is from them.
        deeper = column - indent - 2
        shifted = [
            " " * (indent + len(line) - len(line.lstrip()) - own + (deeper if index else 0))
            + (line.lstrip() if index or not deeper else line.lstrip().replace("- ", f"-{' ' * (deeper + 1)}", 1))
            for index, line in enumerate(lines)
        ]
        apart = [""] if behind is not None and self._set_apart(items) else []
        self._edits.append((at, at, self._newline.join([*apart, *shifted, ""])))

    def _set_apart(self, items: list[Any]) -> bool:
        """Whether the entries of a list have empty lines between them."""
        if len(items) < 2:
            return False
        return "\n\n" in self.text[_end(self.text, items[0]) : items[1].start_mark.index].replace("\r", "")

    def _line_after(self, place: int) -> int:
        """The place where the line after that one begins; a last line without an end gets one."""
        end = self.text.find("\n", place)
        if end < 0:
            if not any(start == len(self.text) and instead == self._newline for start, _, instead in self._edits):
                self._edits.append((len(self.text), len(self.text), self._newline))
            return len(self.text)
        return end + 1


def quoted(value: object) -> str:
    """A value as YAML that is read back as it is: JSON, which quotes every text."""
    return json.dumps(value, ensure_ascii=False)


def flow(value: object) -> str:
    """Nested values on one line, in the style of the policies: keys without quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(one) for one in value) + "]"
    return quoted(value)


def _value(node: Any, key: str) -> Any:
    """The node under a key of a mapping; None where there is none."""
    pairs = node.value if node is not None and isinstance(node.value, list) else []
    return next((value for name, value in _pairs(pairs) if name.value == key), None)


def _pairs(pairs: list[Any]) -> Iterator[tuple[Any, Any]]:
    for one in pairs:
        if isinstance(one, tuple):
            yield one


def _end(text: str, node: Any) -> int:
    """Where a node's own text ends: before comments and empty lines that follow it."""
    if isinstance(node.value, list) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end = node.end_mark.index
    if isinstance(node.value, str) and node.style in {"|", ">"}:
        block = text[node.start_mark.index : end]
        return int(node.start_mark.index) + len(_without_comments(block).rstrip())
    return int(end)


def _without_comments(block: str) -> str:
    """A block of text without the comments that stand below it, less indented than the text."""
    lines = block.split("\n")
    indent = next((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), 0)
    while len(lines) > 1 and (not lines[-1].strip() or len(lines[-1]) - len(lines[-1].lstrip()) < indent):
        lines.pop()
    return "\n".join(lines)
