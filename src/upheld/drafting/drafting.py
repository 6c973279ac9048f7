"""A page to the text of a policy, which is read back as any other before anybody sees it."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

from upheld.catalogue import Catalogue
from upheld.drafting.phrases import load_phrases
from upheld.drafting.proposing import Drafted, draft
from upheld.drafting.writing import Summary, comment, page_lines, short_name, summary_of
from upheld.errors import InputError, InternalFault, Mistake
from upheld.policies import load
from upheld.reading import Page
from upheld.resources import check_folders

MOST_CHARACTERS = 100_000
"""Characters of a page that are judged: fifteen thousand words are no security page."""


def drafted_policy(page: Page, where: Path, today: date, *, live: bool) -> tuple[str, Summary]:
    """The policy drafted from a page, to be written to `where`, and what it came to.

    Raises InputError for a page that is too long to be one, or that promises nothing.
    """
    folders = check_folders(where)
    catalogue = Catalogue.load(*folders)
    made = claims_of(page, catalogue, folders)
    summary = summary_of(made)
    if not summary.claims:
        message = f"promises nothing that could be checked, in {summary.quiet} sentences"
        raise InputError([Mistake(page.source, 0, 0, message, expected="a page with at least one promise")])
    lines = [
        comment(f"Drafted by `upheld draft` on {today}."),
        *page_lines(page, made, name=f"Security page of {short_name(page.source)}", live=live),
    ]
    text = "\n".join(lines) + "\n"
    _read_back(text, catalogue, today)
    return text, summary


def claims_of(page: Page, catalogue: Catalogue, folders: tuple[Path, ...]) -> tuple[Drafted, ...]:
    """The sentences of a page as claims and as what promises nothing; raises InputError for a page that is too long."""
    length = sum(len(one.text) for one in page.sentences)
    if length > MOST_CHARACTERS:
        message = f"the page is too long: {length:,} characters of text"
        raise InputError(
            [Mistake(page.source, 0, 0, message, expected=f"a security page, of at most {MOST_CHARACTERS:,}")]
        )
    return draft(page, catalogue, load_phrases(catalogue, *folders))


def _read_back(text: str, catalogue: Catalogue, today: date) -> None:
    with tempfile.TemporaryDirectory(prefix="upheld-draft-") as folder:
        file = Path(folder) / "policies.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            load(file, catalogue, today=today)
        except InputError as error:
            raise InternalFault(f"what would have been written is not valid: {error}") from error
