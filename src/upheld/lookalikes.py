"""What looks like a secret although nobody told us: formats by which vendors' keys are known, names behind which secrets stand, numbers of persons.

Each kind begins with a literal. One automaton finds all literals in one pass, and only where one stands is its pattern tried, so
that a text without any costs next to nothing. Formats are those of the vendors' documentation.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from upheld.personal_numbers import FREE, personal_numbers

LONGEST = 4096
"""Characters from which on nothing is taken for a few ordinary words any more."""

_ENDS = r"(?![A-Za-z0-9])"


class Kind(NamedTuple):
    """One kind: its label, the literals (in small letters) with which it begins, and what stands there.

    The group `s` is the secret, where there is one, else all is. `proven` looks at it more closely.
    """

    label: str
    starts: tuple[str, ...]
    pattern: re.Pattern[str]
    proven: Callable[[str], bool] | None = None


class Span(NamedTuple):
    """Where something that looks like a secret stands in a text, and its kind's label."""

    start: int
    end: int
    label: str


_WORDS = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+)(?:[^A-Za-z0-9]+(?:[A-Z]?[a-z]+|[A-Z]+))*[^A-Za-z0-9]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGIT, _LETTER = re.compile(r"[0-9]"), re.compile(r"[A-Za-z]")


def is_words(value: str) -> bool:
    """Whether this is a few ordinary words, or one."""
    return len(value) <= LONGEST and _WORDS.fullmatch(value) is not None


def _no_words(value: str) -> bool:
    """Whether this is something else than ordinary words ("Basic authentication is off")."""
    return not is_words(value)


def _random(value: str) -> bool:
    """Whether it has letters and digits, as everything random of some length has."""
    return _DIGIT.search(value) is not None and _LETTER.search(value) is not None


def _mixed(value: str) -> bool:
    """Whether it has digits, small letters and capitals."""
    return _random(value) and value.lower() != value != value.upper()


def _no_port(value: str) -> bool:
    """Whether it is not the port of one address in a list of which a later one has a name with `@`."""
    return re.match(r"[0-9]{1,5}[,;)\]]", value) is None


def is_secret(value: str) -> bool:
    """Whether what stands behind a secret's name is one: long enough, and no word by which a language says that there is none."""
    return len(value) >= 4 and _some_value(value)


def _some_value(value: str) -> bool:
    """Whether it is more than the word by which a language says that there is none, or whether."""
    return value.lower() not in {"null", "none", "true", "false", "undefined", "string"}


def _not_repeated(value: str) -> bool:
    """Whether it is no run of few characters, as the zeros in a picture are."""
    return len(set(value[3:])) > 5


def _kind(label: str, starts: str, pattern: str, proven: Callable[[str], bool] | None = None) -> Kind:
    return Kind(label, tuple(starts.split()), re.compile(pattern, re.DOTALL), proven)


def _vendor(label: str, starts: str, rest: str, proven: Callable[[str], bool] | None = None) -> Kind:
    """A key that is known by how it begins: `starts` with the case in which it is written, `rest` what follows."""
    begins = "|".join(map(re.escape, starts.split()))
    return _kind(label, starts.lower(), f"{FREE}(?:{begins}){rest}{_ENDS}", proven)


_VENDORS = (
    # A long run of base64, as a picture is, holds every three letters by chance: there only what is as long as most of these are.
    _kind(
        "meta-token",
        "eaa",
        FREE + r"(?:(?<![A-Za-z0-9+/]{24})EAA[A-Za-z0-9]{20,}|EAA[A-Za-z0-9]{80,})" + _ENDS,
        _not_repeated,
    ),
    _vendor("aws-key", "AKIA ASIA", r"[A-Z0-9]{16}"),
    _vendor("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{20,}"),
    _vendor("github-token", "github_pat_", r"[A-Za-z0-9_]{20,}"),
    _vendor("gitlab-token", "glpat- gldt- glrt- glptt- glcbt- glft- glsoat- gloas-", r"[A-Za-z0-9_.-]{15,}"),
    _vendor("slack-token", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", r"[A-Za-z0-9-]{10,}"),
    _vendor("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", r"[A-Za-z0-9]{10,}"),
    _vendor("google-key", "AIza", r"[A-Za-z0-9_-]{30,}"),
    _vendor("google-key", "GOCSPX-", r"[A-Za-z0-9_-]{20,}"),
    _vendor("google-token", "ya29.", r"[A-Za-z0-9_-]{20,}"),
    _vendor("sendgrid-key", "SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _vendor("twilio-key", "SK", r"[0-9a-f]{32}"),
    _vendor("mailgun-key", "key-", r"[0-9a-f]{32}"),
    _vendor("npm-token", "npm_", r"[A-Za-z0-9]{30,}"),
    _vendor("pypi-token", "pypi-", r"[A-Za-z0-9_-]{50,}"),
    _vendor("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{40,}"),
    _vendor("vault-token", "hvs. hvb. hvr.", r"[A-Za-z0-9_-]{20,}"),
    _vendor("databricks-token", "dapi", r"[0-9a-f]{32}(?:-[0-9])?"),
    _vendor("shopify-token", "shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{32}"),
    _vendor("square-token", "sq0atp- sq0csp-", r"[A-Za-z0-9_-]{20,}"),
    _vendor("openai-key", "sk-", r"[A-Za-z0-9_-]{20,}", _mixed),
    _vendor("huggingface-token", "hf_", r"[A-Za-z0-9]{30,}"),
    _vendor("atlassian-token", "ATATT3", r"[A-Za-z0-9_=-]{30,}"),
    _vendor("docker-token", "dckr_pat_", r"[A-Za-z0-9_-]{20,}"),
    _vendor("grafana-token", "glsa_ glc_", r"[A-Za-z0-9_=+/-]{20,}"),
    _vendor("newrelic-key", "NRAK-", r"[A-Z0-9]{20,}"),
    _vendor("linear-key", "lin_api_", r"[A-Za-z0-9]{30,}"),
    _vendor("age-key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{50,}"),
    _kind("telegram-token", ":aa", r"(?<=[0-9]{8})(?P<s>:AA[A-Za-z0-9_-]{33})" + _ENDS),
    _kind("slack-webhook", "hooks.slack.com", r"hooks\.slack\.com/services/(?P<s>[A-Za-z0-9_/-]{20,})"),
)

_FORMS = (
    _kind(
        "private-key",
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    _kind(
        "jwt", "eyj", FREE + r"(?<![_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){0,2}"
    ),
    _kind(
        "authorization",
        "bearer basic",
        r"(?<![A-Za-z0-9])(?i:bearer|basic)\s+(?P<s>[A-Za-z0-9._~+/=-]{8,})",
        _no_words,
    ),
    _kind("url-password", "://", r"(?<=[A-Za-z0-9+.-])://[^\s/:@\"'\\]{0,64}:(?P<s>[^\s/\"'\\]+)@", _no_port),
)

# What a value is that stands behind a name: in quotes (also in JSON that is text within JSON) all up to the same quotes, else a word.
_QUOTE = r"(?:\\*[\"'])?"
_BYTES = r"(?:b(?=[\"']))?"
_OPEN = _QUOTE + r"[ \t]*(?:=>|:=|[=:])[ \t]*" + _BYTES
_VALUE = (
    r"(?:\\+[\"'](?P<s1>[^\"'\\\r\n]{4,})"
    r"|\"(?P<s2>(?:[^\"\\\r\n]|\\.){4,})|'(?P<s3>(?:[^'\\\r\n]|\\.){4,})"
    r"|\\*[\"']?(?P<s4>[^\s\"'&,;<>\[\]{}\\]{4,}))"
)


def _named(label: str, names: str, proven: Callable[[str], bool] | None, before: str = "") -> Kind:
    """What stands behind one of these names; their parts are joined by nothing, `_` or `-`."""
    spelled = [name.split("_") for name in names.split()]
    starts = {joint.join(parts) for parts in spelled for joint in ("", "_", "-")}
    pattern = "|".join("[_-]?".join(parts) for parts in sorted(spelled, key=lambda parts: -len("".join(parts))))
    return _kind(label, " ".join(sorted(starts)), f"{before}(?i:{pattern})[0-9]*{_OPEN}{_VALUE}", proven)


_ALWAYS = (
    "password passwd passphrase pwd secret secret_key secret_key_base secret_access_key client_secret api_key access_key api_secret "
    "access_token refresh_token private_key account_key shared_access_key shared_access_signature signing_key encryption_key"
)
# A header's value stands behind a colon, or as the second of a pair as Python shows it.
_HEADER = _QUOTE + r"[ \t]*[:=,][ \t]*" + _BYTES + _QUOTE
_NAMES = (
    _named("named-value", _ALWAYS, _some_value),
    # Behind these stand other things too: a page's token for its successor, a word, a number.
    _named(
        "named-value",
        "token id_token auth_token session_token session_id j_session_id php_sess_id csrf_token otp_secret",
        lambda value: len(value) >= 16 and _random(value),
        r"(?<!page)(?<!page[_-])(?<!next)(?<!next[_-])(?<!continuation)(?<!continuation[_-])",
    ),
    _kind(
        "named-value",
        " ".join(
            f"{mark}{name}=" for mark in "?&;" for name in ("key", "sig", "signature", "code", "auth", "sid", "hash")
        ),
        r"[?&;][a-zA-Z]+=(?P<s>[A-Za-z0-9._~%+-]{16,})",
        _random,
    ),
    _kind("named-value", "x-amz-signature=", r"(?i:x-amz-signature=)(?P<s>[0-9a-f]{32,})"),
    _kind("named-value", "--password --token --secret --api-key", r"--[a-z-]+\s+(?P<s>[^\s\"']{4,})", _no_words),
    _kind("named-value", "<password> <secret> <token> <apikey>", r"<[A-Za-z]+>(?P<s>[^<]{4,4096})</"),
    _kind("named-value", "login", r"(?i:login)\s+\S{1,256}\s+(?i:password)\s+(?P<s>[^\s\"'\\]{4,})"),
    _kind(
        "header",
        "authorization x-api-key x-auth-token x-vault-token private-token x-access-token",
        r"(?i:(?:proxy-)?authorization|x-api-key|x-auth-token|x-vault-token|private-token|x-access-token)"
        + _HEADER
        + r"(?:[A-Za-z-]+\s+)?(?P<s>[^\s\"'\\,;<>\[\]{}]{8,})",
        _no_words,
    ),
    _kind(
        "set-cookie",
        "set-cookie",
        r"(?i:set-cookie)" + _HEADER + r"[^=;,\s\"'\\]+=\"?(?P<s>[^;\s\"'\\,]{8,})",
    ),
    _kind(
        "cookie",
        "cookie",
        r"(?<![A-Za-z-])(?i:cookie)" + _HEADER + r"(?P<s>[^=;,\s\"'\\]+=[^\"'\\\r\n]{4,})",
    ),
)


def _spellings(names: str) -> Iterator[str]:
    """Names as mappings have them for keys: in snake case, kebab case, camel case and capitals."""
    for name in names.split():
        parts = name.split("_")
        title = [part.capitalize() for part in parts]
        yield from (
            name,
            name.upper(),
            "-".join(parts),
            "-".join(title),
            "_".join(title),
            "".join(parts),
            "".join(title),
        )
        yield parts[0] + "".join(title[1:])


SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "x-auth-token",
        "x-vault-token",
        "private-token",
        "x-access-token",
    }
)
"""Headers whose value is a secret, in small letters."""
SECRET_KEYS = frozenset(_spellings(_ALWAYS)) | {
    spelled for name in SECRET_HEADERS for spelled in (name, name.title(), name.upper())
}
"""Keys of mappings whose value is a secret."""

KINDS = (*_VENDORS, *_FORMS, *_NAMES)
"""Every kind that begins with a literal; numbers of persons (`personal_numbers.py`) are known by their check digits."""

_STARTS: dict[str, list[Kind]] = {}
for _one in KINDS:
    for _literal in _one.starts:
        _STARTS.setdefault(_literal, []).append(_one)
_LITERALS = tuple(_STARTS)
_KINDS_AT = tuple(_STARTS[literal] for literal in _LITERALS)
_AUTOMATON = AhoCorasick(_LITERALS)


# --- looking -------------------------------------------------------------------------------------------------------------

_RUN = re.compile(r"[^\s\"'<>]+")
_URL_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_MARKUP_ESCAPE = re.compile(
    r"&(?:quot|apos|lt|gt|amp|#0*(?:34|38|39|60|62)|#[xX]0*(?:2[267]|3[cCeE]));|\\u00(?:2[267]|3[cCdDeE])"
)
_TWICE = 2


def lookalikes(text: str) -> list[Span]:
    """Where something that looks like a secret stands in `text`, also where that is escaped for a URL or for markup; sorted."""
    found = list(_plain(text))
    if "%" in text:
        for run in _RUN.finditer(text):
            if "%" in run.group():
                found += _escaped(run.group(), run.start(), _URL_ESCAPE, _of_url, _TWICE)
    if "&" in text or "\\u00" in text:
        found += _escaped(text, 0, _MARKUP_ESCAPE, _of_markup, 1)
    return sorted(found)


def _of_url(escape: str) -> str:
    return chr(int(escape[1:], 16))


def _of_markup(escape: str) -> str:
    return chr(int(escape[-4:], 16)) if escape.startswith("\\u") else html.unescape(escape)


def _escaped(
    text: str, offset: int, escape: re.Pattern[str], meaning: Callable[[str], str], depth: int
) -> Iterator[Span]:
    """What stands in a text once its escapes mean what they stand for, at the places where it stands in the text as it is."""
    pieces: list[str] = []
    # Where each stretch of the new text begins in it, and the stretch's place in the old one.
    begins, places = [0], [0]
    done = length = 0
    for found in escape.finditer(text):
        pieces += (text[done : found.start()], meaning(found.group()))
        length += found.start() - done
        begins += (length, length + 1)
        places += (found.start(), found.end())
        length, done = length + 1, found.end()
    if not pieces:
        return
    new = "".join((*pieces, text[done:]))

    def place(of: int) -> int:
        index = bisect_right(begins, of) - 1
        return offset + places[index] + of - begins[index]

    spans = list(_plain(new))
    if depth > 1:
        spans += _escaped(new, 0, escape, meaning, depth - 1)
    for one in spans:
        # The last character may be an escape of several.
        yield Span(place(one.start), place(one.end), one.label)


def _plain(text: str) -> Iterator[Span]:
    seen: dict[int, int] = {}
    for index, start, _ in _AUTOMATON.find_matches_as_indexes(lowered(text), overlapping=True):
        for kind in _KINDS_AT[index]:
            # What lies in one that was looked at is a part of it, and no secret where the whole is none; to look again and again would
            # take the square of the time.
            if start < seen.get(id(kind), 0) or (found := kind.pattern.match(text, start)) is None:
                continue
            seen[id(kind)] = found.end()
            group = found.lastgroup or 0
            if kind.proven is None or kind.proven(found.group(group)):
                yield Span(*found.span(group), kind.label)
    yield from (Span(*one) for one in personal_numbers(text))


def lowered(text: str) -> str:
    """`text` in small letters, as long as it was: a letter that would become two stays as it is, half a surrogate pair becomes a mark."""
    small = text.lower()
    if small.isascii():
        return small
    if len(small) != len(text):
        small = "".join(one if len(one.lower()) != 1 else one.lower() for one in text)
    return _SURROGATE.sub("?", small)
