"""The catalogue of claims as a page of documentation, from the data that the mapper itself uses.

`python -m upheld.drafting.catalogue > docs/claims.md` writes it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from upheld.catalogue import Catalogue
from upheld.drafting.parameters import READERS
from upheld.drafting.phrases import ClaimPhrase, Phrases, load_phrases
from upheld.resources import builtin


def page(catalogue: Catalogue, phrases: Phrases) -> str:
    """The page, in Markdown."""
    return "\n".join(_lines(catalogue, phrases)) + "\n"


def _lines(catalogue: Catalogue, phrases: Phrases) -> Iterator[str]:
    yield "# Catalogue of claims"
    yield ""
    yield "What pages say, and the checks that decide it. `upheld draft` maps sentences by this ([draft.md](draft.md)); this page is made from the same data"
    yield "(`src/upheld/drafting/phrases/`) by `python -m upheld.drafting.catalogue > docs/claims.md`, and a test keeps it in step. A parameter in italics is"
    yield "read from the sentence, and asked for where it does not state it."
    yield ""
    yield "## By claim"
    for one in phrases.phrases:
        yield ""
        yield f"### {one.entry.id}"
        yield ""
        yield one.entry.means
        yield ""
        yield from (f"> {example}" for example in _separated(one.entry.examples))
        yield ""
        if one.entry.checks:
            yield from _checks(one.entry)
        else:
            yield f"Uncovered: {one.entry.uncovered}."
    yield ""
    yield "## By check"
    yield ""
    yield "| check | decides whether | claims |"
    yield "|---|---|---|"
    by_check: dict[str, list[str]] = {}
    for one in phrases.phrases:
        for use in one.entry.checks:
            by_check.setdefault(use.check, []).append(one.entry.id)
    for check in catalogue:
        named = [f"[{name}](#{name})" for name in dict.fromkeys(by_check.get(check.id, ()))]
        yield f"| `{check.id}` | {check.title.replace('|', chr(92) + '|')} | {', '.join(named) or 'every page that is live'} |"


def _separated(examples: tuple[str, ...]) -> Iterator[str]:
    for number, example in enumerate(examples):
        yield example + ("  " if number < len(examples) - 1 else "")


def _checks(entry: ClaimPhrase) -> Iterator[str]:
    for use in entry.checks:
        read = [f"*{name}* ({READERS[reader].asks})" for name, reader in use.parameters.items()]
        read += [
            f"{name} {value} where it is not stated, with which any will do" for name, value in use.weakest.items()
        ]
        detail = f": {'; '.join(read)}" if read else ""
        only = "; where the sentence says more" if use.when else ""
        decides = "; without it the claim is not decided" if use.essential else ""
        yield f"- `{use.check}`{detail}{only}{decides}"


def main() -> None:
    """Print the page."""
    catalogue = Catalogue.load(builtin() / "checks")
    sys.stdout.write(page(catalogue, load_phrases(catalogue)))


if __name__ == "__main__":
    main()
