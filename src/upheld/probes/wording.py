"""Whether two texts say the same in other dress: sentence by sentence, exact on numbers and negations, deaf to layout.

Neither white space, case, punctuation, kinds of quotes and dashes, bullets and numbering of lists, nor the order of sentences
counts, nor whether one line was made two or two were made one. Words, numbers, signs (`+`, `%`, `<`, `?` and the like) do.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

ALIKE = 0.6
"""From which share of common words on one sentence is taken for another one's new wording."""
SHORTEST_SENTENCE = 7
"""Words; what has fewer is taken for a label or a figure when it stands beside another such in one claim."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\u202a-\u202e\u2066-\u2069\ufe0e\ufe0f\ufeff]")
_THOUSANDS = re.compile("(?<![\\d.,])\\d{1,3}(?:[\u00a0\u2009\u202f,']\\d{3})+(?![\\d])(?!,\\d)")
_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛′`´", "'"))
_MARKS = str.maketrans({**dict.fromkeys("✔☑✅🗸", "✓"), **dict.fromkeys("✗✘❌✖⛔🚫☒❎", "✗")})
_NUMBERING = re.compile(r"^(?:\(?(?:\d{1,2}|[a-z])[.)]\s+|✓\s+)(?=\S)")
_SAYING = frozenset(
    "is are was were be has have had does do did will can cannot may must not never isn't aren't don't doesn't won't can't we you they it our your".split()  # noqa: SIM905
)
"""Words that no label and no figure has: what has one is a sentence, however short."""
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[+%<>≥≤=~±×/@#$€£§?✓✗°]")

Key = tuple[str, ...]


@functools.lru_cache(maxsize=8192)
def key(sentence: str) -> Key:
    """What a sentence says, as its words, numbers and signs: equal for two that differ in their dress only."""
    text = _INVISIBLE.sub("", sentence).translate(_QUOTES).translate(_MARKS)
    text = _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found.group()), text)
    text = unicodedata.normalize("NFKC", text).casefold().strip().lstrip("•·▪‣◦*-–— ")
    text = _NUMBERING.sub("", text).replace("&", " and ")
    return tuple(_TOKEN.findall(text))


@dataclass(frozen=True, slots=True)
class Change:
    """A sentence of the policy and what the page says in its place; `claim` is empty for one that promises nothing."""

    claim: str
    before: str
    after: str

    @property
    def difference(self) -> str:
        """What differs, word by word, and by signs where no word does."""
        words = difference(self.before.split(), self.after.split())
        return words or difference(list(self.before), list(self.after))


@dataclass(frozen=True, slots=True)
class Torn:
    """Two lines of one claim that belonged together (a label and its figure) and no longer do; `now` is what follows the first."""

    claim: str
    first: str
    second: str
    now: str


@dataclass(frozen=True)
class Drift:
    """How a page and a policy differ.

    `new` are sentences of the page that nothing carries, `gone` the claims' sentences that the page does not make. Those of
    them that are each other's new wording are in `changed` too. `torn` are figures that stand with another label now;
    `bound` are all the lines of claims that must stand together.
    """

    new: tuple[str, ...]
    gone: tuple[tuple[str, str], ...]
    changed: tuple[Change, ...]
    torn: tuple[Torn, ...]
    bound: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())

    def __bool__(self) -> bool:
        """Whether they differ at all."""
        return bool(self.new or self.gone or self.torn)


def compare(page: Sequence[str], claims: Mapping[str, Sequence[str]], no_promise: Sequence[str]) -> Drift:
    """How the sentences of a page, in its order, differ from those that claims carry and those that are known to promise nothing."""
    return _Comparison(page, claims, no_promise).drift()


def difference(before: Sequence[str], after: Sequence[str]) -> str:
    """What differs between two sequences of words, as `90 -> 60, nothing -> not`."""
    changes = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            changes.append(f"{' '.join(before[i1:i2]) or 'nothing'} -> {' '.join(after[j1:j2]) or 'nothing'}")
    return ", ".join(changes)


class _Comparison:
    def __init__(self, page: Sequence[str], claims: Mapping[str, Sequence[str]], no_promise: Sequence[str]) -> None:
        self._page = list(page)
        self._keys = [key(one) for one in page]
        self._claims = {claim: list(dict.fromkeys(sentences)) for claim, sentences in claims.items()}
        self._quiet = {key(one) for one in no_promise} - {()}
        self._places: dict[Key, list[int]] = {}
        for place, one in enumerate(self._keys):
            self._places.setdefault(one, []).append(place)
        self._groups = [
            (claim, group)
            for claim, sentences in self._claims.items()
            for group in _groups(sentences)
            if len(group) > 1
        ]

    def drift(self) -> Drift:
        carried = {key(one) for sentences in self._claims.values() for one in sentences}
        units = [key(" ".join(group)) for sentences in self._claims.values() for group in _groups(sentences)]
        known = _Joined([*units, *carried.difference(*self._members()), *self._quiet])
        covered = [not one or one in carried or one in self._quiet or known.makes(one) for one in self._keys]
        said = set(self._keys)
        joined = {unit for one in self._keys if one not in carried for unit in known.parts(one)}
        gone: list[tuple[str, str]] = []
        for claim, sentences in self._claims.items():
            for group in _groups(sentences):
                whole = key(" ".join(group))
                if whole in joined or (lines := self._split(whole)):
                    for place in lines if whole not in joined else ():
                        covered[place] = True
                    continue
                for one in group:
                    of_one = key(one)
                    if of_one in said or of_one in joined:
                        continue
                    if lines := self._split(of_one):
                        for place in lines:
                            covered[place] = True
                    else:
                        gone.append((claim, one))
        for quiet in self._quiet - said:
            for place in self._split(quiet):
                covered[place] = True
        new = tuple(dict.fromkeys(one for one, is_covered in zip(self._page, covered, strict=True) if not is_covered))
        return Drift(
            new,
            tuple(gone),
            tuple(self._changes(new, gone)),
            tuple(self._torn(joined)),
            tuple((claim, tuple(group)) for claim, group in self._groups),
        )

    def _changes(self, new: Sequence[str], gone: Sequence[tuple[str, str]]) -> Iterator[Change]:
        """What became of what is gone: by its place beside its label or figure, else by likeness."""
        left, missing = list(new), list(gone)
        for claim, group in self._groups:
            for first, second in itertools.pairwise(group):
                for lost, there, step in ((second, first, 1), (first, second, -1)):
                    for place in self._places.get(key(there), ()):
                        beside = self._page[place + step] if 0 <= place + step < len(self._page) else ""
                        if (claim, lost) in missing and beside in left:
                            missing.remove((claim, lost))
                            left.remove(beside)
                            yield Change(claim, lost, beside)
        yield from _changes(left, missing)

    def _members(self) -> list[set[Key]]:
        """The lines that stand only together with others: alone in a longer line they say something else."""
        return [{key(one) for one in group} for _, group in self._groups]

    def _split(self, wanted: Key) -> range:
        """The lines of the page, one after the other, that together say what is wanted; empty where none do."""
        for place in range(len(self._keys)):
            made: Key = ()
            for end in range(place, len(self._keys)):
                made += self._keys[end]
                if made != wanted[: len(made)]:
                    break
                if made == wanted:
                    return range(place, end + 1)
        return range(0)

    def _torn(self, joined: set[Key]) -> Iterator[Torn]:
        """Labels and figures that no longer stand together, although the page has each of them."""
        bound = {key(one) for _, group in self._groups for one in group}
        apart: dict[int, list[tuple[int, int, str, str, str]]] = {}
        for claim, group in self._groups:
            whole = key(" ".join(group))
            if whole in joined or self._split(whole):
                continue
            for index, (first, second) in enumerate(itertools.pairwise(group)):
                places, others = self._places.get(key(first), []), self._places.get(key(second), [])
                if places and others and not self._together(places, others, bound):
                    apart.setdefault(index, []).append((places[0], others[0], claim, first, second))
        for pairs in apart.values():
            # In a table whose first row has the labels, figures stand in the order of their labels.
            in_order = len(pairs) > 1 and [one[2] for one in sorted(pairs)] == [
                one[2] for one in sorted(pairs, key=lambda pair: pair[1])
            ]
            clashing = min(one[1] for one in pairs) < max(one[0] for one in pairs)
            if in_order and not clashing:
                continue
            for place, _, claim, first, second in pairs:
                following = self._page[place + 1] if place + 1 < len(self._page) else ""
                yield Torn(claim, first, second, following)

    def _together(self, places: Sequence[int], others: Sequence[int], bound: set[Key]) -> bool:
        """Whether at some place the second follows the first with nothing between that belongs to another label or figure."""
        return any(
            place < other and not any(one in bound for one in self._keys[place + 1 : other])
            for place in places
            for other in others
        )


class _Joined:
    """Lines that are made of known ones put together."""

    def __init__(self, known: Sequence[Key]) -> None:
        self._by_first: dict[str, set[Key]] = {}
        for one in known:
            if one:
                self._by_first.setdefault(one[0], set()).add(one)

    def makes(self, line: Key) -> bool:
        return bool(self.parts(line))

    def parts(self, line: Key) -> tuple[Key, ...]:
        """The known lines that together are this one, in order; empty where it is none of them put together."""
        ways: list[tuple[Key, ...] | None] = [()] + [None] * len(line)
        for place in range(len(line)):
            before = ways[place]
            if before is None:
                continue
            for one in sorted(self._by_first.get(line[place], ()), key=len, reverse=True):
                end = place + len(one)
                if ways[min(end, len(line))] is None and line[place:end] == one:
                    ways[end] = (*before, one)
        return ways[-1] or ()


def _groups(sentences: Sequence[str]) -> Iterator[list[str]]:
    """The sentences of a claim, in which labels and figures that follow each other are one group."""
    group: list[str] = []
    for one in sentences:
        if group and _bound(key(group[-1]), key(one)):
            group.append(one)
            continue
        if group:
            yield group
        group = [one]
    if group:
        yield group


def _bound(first: Key, second: Key) -> bool:
    """Whether two lines that follow each other are a label and its figure, or a figure and what stands below it."""
    lines = (first, second)
    return all(len(one) < SHORTEST_SENTENCE and not _SAYING.intersection(one) for one in lines) and any(
        part[0].isdigit() for one in lines for part in one
    )


def _changes(new: Sequence[str], gone: Sequence[tuple[str, str]]) -> Iterator[Change]:
    """Pairs of what is gone and what is new of which each is most like the other, the most alike first."""
    pairs: list[tuple[float, int, int]] = []
    for at, (_, before) in enumerate(gone):
        matcher = difflib.SequenceMatcher(None, autojunk=False)
        matcher.set_seq2(key(before))
        for place, after in enumerate(new):
            matcher.set_seq1(key(after))
            if (
                matcher.real_quick_ratio() >= ALIKE
                and matcher.quick_ratio() >= ALIKE
                and (ratio := matcher.ratio()) >= ALIKE
            ):
                pairs.append((-ratio, at, place))
    used_gone: set[int] = set()
    used_new: set[int] = set()
    for _, at, place in sorted(pairs):
        if at not in used_gone and place not in used_new:
            used_gone.add(at)
            used_new.add(place)
            yield Change(gone[at][0], gone[at][1], new[place])
