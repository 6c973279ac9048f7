"""Which language a text is in, by its most frequent words."""

from __future__ import annotations

import re
from collections.abc import Mapping

ENGLISH = "en"
_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is are we you your our not that for with as on by be it this from all or have at a an any if do does can may will must only no so please",
        "fr": "le la les des du de et à en est sont nous vous votre vos nos notre ne pas que pour avec sur par une un ce ces dans aux toutes tous ou si",
        "de": "der die das den dem des und zu in ist sind wir sie ihre unsere nicht dass für mit als auf von wird werden ein eine einer alle oder bei im",
        "es": "el la los las de y a en es son nosotros usted su sus nuestro nuestra no que para con como por se una un este todos todas o si del al",
        "pt": "o a os as de e em é são nós você seu sua nosso nossa não que para com como por se uma um este todos todas ou do da dos das ao",
        "it": "il lo la gli le di e a in è sono noi voi vostro vostri nostro non che per con come da si una un questo tutti tutte o del della dei nel",
        "nl": "de het een en van te in is zijn wij u uw onze niet dat voor met als op door worden wordt deze alle of bij om aan naar",
        "pl": "i w na do z się nie że dla jest są przez oraz nasze wszystkie lub po od jako to co wszystkich danych",
        "sv": "och att i är som en ett det den för av med på inte vi du din våra alla eller till från om kan",
    }.items()
}
NAMES = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "pt": "Portuguese",
    "it": "Italian", "nl": "Dutch", "pl": "Polish", "sv": "Swedish",
}  # fmt: skip
_SCRIPTS = (
    ("ja", "Japanese", re.compile("[\u3040-\u30ff]")),
    ("ko", "Korean", re.compile("[\uac00-\ud7af]")),
    ("zh", "Chinese", re.compile("[\u4e00-\u9fff]")),
    ("ru", "a language written in Cyrillic", re.compile("[\u0400-\u04ff]")),
    ("ar", "Arabic", re.compile("[\u0600-\u06ff]")),
    ("he", "Hebrew", re.compile("[\u0590-\u05ff]")),
    ("el", "Greek", re.compile("[\u0370-\u03ff]")),
)
NAMES.update({code: name for code, name, _ in _SCRIPTS})
_LETTERS = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str:
    """The code of the language (ISO 639-1) that most frequent words of the text are of; empty where too few words tell."""
    letters = len(re.findall(r"[^\W\d_]", text))
    for code, _, script in _SCRIPTS:
        if letters and len(script.findall(text)) > letters / 3:
            return code
    words = _LETTERS.findall(text.lower())
    counts = {language: sum(word in known for word in words) for language, known in _WORDS.items()}
    # In doubt it is the one with the most words of its own; alphabetical order keeps the answer the same.
    best = max(sorted(counts), key=lambda one: counts[one])
    others = max(count for language, count in counts.items() if language != best)
    return best if counts[best] >= 2 and counts[best] > others else ""
