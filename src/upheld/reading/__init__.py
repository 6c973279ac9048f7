"""Pages in, sentences out: what a security page says, whatever it is written in, and what its words amount to.

    page = of_file(Path("SECURITY.md"))
    for sentence in page.sentences:
        sentence.verbatim, sentence.text, sentence.section, sentence.place, sentence.row
        quantities(sentence.text), quantifiers(sentence.text)

`text` is the normal form in which `publication.page_matches_policy` compares: plain quotes, single spaces, no final period;
words, numbers and negations unchanged. Two sentences are the same exactly if their `text` is.
"""

from __future__ import annotations

from upheld.reading.language import ENGLISH, language_of
from upheld.reading.page import Page, Place, Sentence
from upheld.reading.quantities import Quantity, quantifiers, quantities
from upheld.reading.sources import LARGEST, MOST, of_bytes, of_file, of_html

__all__ = [
    "ENGLISH",
    "LARGEST",
    "MOST",
    "Page",
    "Place",
    "Quantity",
    "Sentence",
    "language_of",
    "of_bytes",
    "of_file",
    "of_html",
    "quantifiers",
    "quantities",
]
