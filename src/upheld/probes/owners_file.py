"""Owners files (CODEOWNERS) as the forges read them: who must approve a change of which files.

GitHub's file is one list, in which the last line that matches a file decides, and takes patterns that are nearly those of ignore
files. GitLab's has sections, of which each asks its own owners, and patterns of Ruby's File.fnmatch, in which `*` never
crosses a folder and a folder's name without a slash after it is no pattern for what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from upheld.errors import Unobservable

PLACES = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
}
"""Where a forge looks for the file; the first that there is counts."""

GITHUB_LOADS = 3 * 1024 * 1024
"""Bytes below which GitHub reads such a file at all."""
_UNNAMED = "codeowners"
_HEADING = re.compile(r"(\^)?\[(.*?)\](?:\[(\d{0,9})\])?(\s+[@\w.+\-/\s]*)?", re.ASCII)
_GITLAB_OWNER = re.compile(
    r"[\w.+%'-]+@[\w.-]*\w"  # an address
    r"|@@(?i:developer|maintainer|owner)s?(?!\S)"
    r"|(?<![\w@])@[\w.][\w.-]*(?:/[\w.][\w.-]*)*",
    re.ASCII,
)
_GITHUB_OWNER = re.compile(r"@[\w-]+(?:/[\w.-]+)?|[^@\s]+@[^@\s]+\.[^@\s]+", re.ASCII)
_BRACKET = re.compile(r"\[([!^]?)([^\]\\/\[]+)\]")

_Segment = re.Pattern[str] | None
"""A name of a file or folder; None for any number of folders."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns a file by the line of the owners file that decides, or by a section's.

    `section` is empty outside of sections. Without `owners` nobody is asked, nor where the section is `optional`; otherwise
    `approvals` of the owners must agree.
    """

    line: int
    owners: tuple[str, ...]
    section: str = ""
    optional: bool = False
    approvals: int = 1


@dataclass(frozen=True)
class _Rule:
    patterns: tuple[tuple[_Segment, ...], ...]
    said: Ownership
    excludes: bool = False

    def matches(self, names: Sequence[str]) -> bool:
        return any(_fits(pattern, names) for pattern in self.patterns)


OwnersOf = Callable[[str], tuple[Ownership, ...]]
"""What an owners file says of a path: nothing, or what each section says that has a line for it."""


def read_owners(kind: str, text: str, path: str) -> OwnersOf:
    """An owners file as a GitHub or a GitLab reads it; raises Unobservable for a pattern that is not understood."""
    if kind == "github" and len(text.encode()) >= GITHUB_LOADS:
        return lambda _path: ()
    return _gitlab(text, path) if kind == "gitlab" else _github(text)


def _github(text: str) -> OwnersOf:
    rules = [rule for number, line in enumerate(text.split("\n"), 1) if (rule := _github_rule(number, line.strip()))]

    def owners(path: str) -> tuple[Ownership, ...]:
        names = path.split("/")
        return next(((rule.said,) for rule in reversed(rules) if rule.matches(names)), ())

    return owners


def _github_rule(number: int, line: str) -> _Rule | None:
    """A line; None for what is none, or is not valid: GitHub passes such a line over."""
    if not line or line.startswith("#"):
        return None
    pattern, *owners = re.split(r"(?<!\\)\s+", re.sub(r"\s#.*$", "", line))
    # Here, other than in an ignore file, nothing is taken back by an exclamation mark, and there are no ranges.
    if pattern.startswith(("!", "\\#")) or "[" in pattern or not all(map(_GITHUB_OWNER.fullmatch, owners)):
        return None
    anywhere: tuple[_Segment, ...] = (None,) if "/" not in pattern.rstrip("/") else ()
    names = pattern.strip("/").split("/")
    last = names[-1]
    at = (*anywhere, *(None if one == "**" else _segment(one) for one in names[:-1]))
    below: tuple[_Segment, ...] = (None, _segment("*"))
    itself: tuple[_Segment, ...] = (*at, _segment(last))
    if not pattern.strip("/"):
        patterns: tuple[tuple[_Segment, ...], ...] = ()
    elif last == "**":
        patterns = ((*at, *below),)
    elif pattern.endswith("/"):
        patterns = ((*itself, *below),)
    elif last == "*":
        # Of what is in a folder, and not of what is in the folders in it.
        patterns = (itself,)
    else:
        patterns = (itself, (*itself, *below))
    return _Rule(patterns, Ownership(number, tuple(owners)))


def _gitlab(text: str, path: str) -> OwnersOf:
    sections: dict[str, dict[str, _Rule]] = {_UNNAMED: {}}
    name, optional, approvals, default = _UNNAMED, False, 1, ""
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line or line.startswith("#"):
            continue
        if heading := _HEADING.match(line):
            known = [] if len(sections) == 1 else [one for one in sections if one.casefold() == heading[2].casefold()]
            name = next(iter(known), heading[2])
            optional, approvals, default = bool(heading[1]), max(1, int(heading[3] or 0)), heading[4] or ""
            sections.setdefault(name, {})
            continue
        pattern, _, listed = re.sub(r"(?<!\\)\s+", "\n", line, count=1).partition("\n")
        excludes = pattern.startswith("!")
        whole = _from_the_root(pattern.removeprefix("!"))
        # There are no comments after an entry: owners in one count. Whoever is not written as one is passed over.
        owners = tuple(_GITLAB_OWNER.findall(listed if listed.strip() else default))
        shown = "" if name == _UNNAMED else name
        said = Ownership(number, () if excludes else owners, shown, optional, approvals)
        try:
            # A bracket that nothing ends is found in no name.
            patterns = () if "[" in whole and "]" not in whole else (_segments(whole),)
        except (ValueError, re.error):
            raise Unobservable(f"{path}:{number}: the pattern {pattern} is not understood") from None
        # A pattern that comes again takes the place of the first, also in the order.
        sections[name][whole] = _Rule(patterns, said, excludes)
    asking = [_Section(tuple(rules.values())) for rules in sections.values()]
    return lambda path: tuple(said for section in asking if (said := section.of(path.split("/"))) is not None)


@dataclass(frozen=True)
class _Section:
    rules: tuple[_Rule, ...]

    def of(self, names: Sequence[str]) -> Ownership | None:
        """By the last line that matches; one that excludes a file holds against all others of its section."""
        matching = [rule for rule in self.rules if rule.matches(names)]
        if not matching:
            return None
        said = next((rule.said for rule in matching if rule.excludes), matching[-1].said)
        optional = all(rule.said.optional for rule in self.rules)
        return Ownership(said.line, said.owners, said.section, optional, said.approvals)


def _from_the_root(pattern: str) -> str:
    if pattern == "*":
        return "/**/*"
    pattern = re.sub(r"\\\s+", " ", pattern.removeprefix("\\") if pattern.startswith("\\#") else pattern)
    pattern = pattern if pattern.startswith("/") else f"/**/{pattern}"
    return f"{pattern}**/*" if pattern.endswith("/") else pattern


def _segments(pattern: str) -> tuple[_Segment, ...]:
    *folders, last = pattern.removeprefix("/").split("/")
    # Only before a slash two stars go through folders.
    return (*(None if one == "**" else _segment(one) for one in folders), _segment(last))


def _segment(glob: str) -> re.Pattern[str]:
    """A pattern of one name, as an expression that takes time linear in the name; raises ValueError for what is not understood."""
    pieces: list[str] = [""]
    for one in _expressions(glob):
        if one == "*":
            pieces.append("")
        else:
            pieces[-1] += one
    first, *others = pieces
    if not others:
        return re.compile(first, re.DOTALL)
    *between, end = others
    return re.compile(first + "".join(f"(?>.*?{one})" for one in between if one) + f".*{end}", re.DOTALL)


def _expressions(glob: str) -> Iterator[str]:
    at = 0
    while at < len(glob):
        letter = glob[at]
        if letter == "[":
            found = _BRACKET.match(glob, at)
            if found is None:
                raise ValueError(glob)
            inside = "".join(one if one == "-" else re.escape(one) for one in found[2])
            yield f"[{'^' if found[1] else ''}{inside}]"
            at = found.end()
            continue
        if letter == "\\" and at + 1 < len(glob):
            at += 1
            yield re.escape(glob[at])
        else:
            yield {"*": "*", "?": "."}.get(letter, re.escape(letter))
        at += 1


def _fits(pattern: Sequence[_Segment], names: Sequence[str]) -> bool:
    """Whether a path, name by name, is one of a pattern; goes back to the last run of folders only, which is enough."""
    here = there = back = 0
    run = -1
    while there < len(names):
        ended = here == len(pattern)
        wanted = None if ended else pattern[here]
        if wanted is None and not ended:
            run, back = here, there
            here += 1
        elif wanted is not None and wanted.fullmatch(names[there]):
            here, there = here + 1, there + 1
        elif run >= 0:
            back += 1
            here, there = run + 1, back
        else:
            return False
    return here == len(pattern)
