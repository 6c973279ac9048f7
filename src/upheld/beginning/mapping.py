"""Which check plainly decides a sentence, and with which parameters: only what the sentence itself states.

A sentence is taken as plain in two ways: it is one that the built-in policy carries, word for word, or it is one of a few
kinds whose meaning a phrase gives away, and has no word that could promise anything else besides. Whatever hedges, negates
or promises for later is left to a person. So is a claim of which a check would bring a threshold (one of its own defaults
included) that the sentence does not state: nobody published it, and without that check the claim would be upheld too easily.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upheld.catalogue import Catalogue
from upheld.policies import Claim, Policy
from upheld.probes.html_text import normalise, sentences

_HEDGED = re.compile(
    r"(?i)\b(?:not|no|never|none|without|unless|except|may|might|can|could|should|will|would|plan\w*|intend\w*|aim\w*|strive\w*|"
    r"work(?:ing)? (?:on|towards?)|roadmap|soon|future|where (?:available|possible|applicable|supported|appropriate)|beta|"
    r"optional(?:ly)?|on request|upon request|if|most|some|typically|usually|generally|recommend\w*)\b|n't\b|\?$"
)
_ELSEWHERE = re.compile(
    r"(?i)\b(?:internal\w*|between (?:\w+ )?(?:services|servers|systems)|service-to-service|databases?|backups?|webhooks?|e-?mails?|smtp|at rest|"
    r"stor(?:ed|age)|disks?|replica\w*|vpn|ssh|AES(?:-\w+)*|passwords?|third part\w+|sub-?processors?)\b|;"
)
_PLAIN_WORDS = frozenset(
    """
    a above accordance all always an and any api apis app application applications are at automatically be better
    between browser browsers by certificate certificates client clients communication communications connect connection
    connections customer customers data domain domains each enabled encrypt encrypted encrypting encryption encrypts
    endpoint endpoints enforce enforced enforces every everything exclusively file for from greater header headers
    higher hsts http https in information internet is it its known later least minimum modern network networks newer of
    on only or our over page pages platform protected protects protocol protocols public publicly publish published
    publishes redirect redirected redirecting redirects request requests require required requires rfc secure secured
    securely secures security send sends sent serve served server servers serves service services site sites ssl strict
    support supported supports that the these this through tls to traffic transferred transit transmitted transport
    travels up us use used user users uses using valid version versions via we web website websites well with x.509 you
    your
    """.split()  # noqa: SIM905  (a list of quoted words is no easier to read)
)
_NUMBERED = re.compile(r"v?\d+(?:\.\d+)*\+?|.*security\.txt|tlsv?\d.*|9116")
_LATER = r"(?:\+|\s*(?:,\s*)?\(?(?:or|and) (?:later|higher|newer|above|greater|better|up)\b)"
_FLOORS = (
    re.compile(rf"(?i)\bTLS\s*v?(1\.[0-3]){_LATER}"),
    re.compile(r"(?i)\b(?:at least|minimum(?: of| version)?:?|at a minimum) TLS\s*v?(1\.[0-3])\b"),
    re.compile(r"(?i)\bTLS\s*v?(1\.2)(?:\s*(?:and|or|/|,)\s*)(?:TLS\s*)?v?1\.3\b"),
)
_ALL_TRAFFIC = re.compile(
    r"(?i)\b(?:all|every|any)\b[^.]*\b(?:traffic|connections?|communications?|requests?|data in transit|endpoints?|pages?)\b"
)
_TOLERANCE = re.compile(
    r"(?:^|_)(?:grace|margin|skew|flush|settle|wait)_|^(?:within_seconds|least_samples|minimum_days_left|statuses|tenants_at_least"
    r"|requests_per_operation|smallest_percent)$"
)
"""Parameters that say how a check looks, or how much it lets pass as measuring; no page would state them."""

_WEAKEST: Mapping[str, Mapping[str, Any]] = {"web.hsts_is_set": {"minimum_seconds": 1}}
"""Parameters of which a page that says nothing of them lets any value do."""
_SPELLED = {("24", "hours"): "daily", ("1", "hours"): "hourly", ("7", "days"): "weekly", ("1", "days"): "daily"}

Use = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What decides a sentence: uses of checks and other claims; `note` says what was left out, and why."""

    uses: tuple[Use, ...]
    note: str = ""


def _floor(text: str) -> list[Use]:
    found = next((one for pattern in _FLOORS if (one := pattern.search(text))), None)
    if found is None:
        return []
    uses: list[Use] = [
        ("tls.refuses_old_versions", {"minimum": f"TLS {found[1]}"}),
        ("tls.accepts_current_versions", {}),
    ]
    return [*uses, *([("web.plain_http_only_redirects", {})] if _ALL_TRAFFIC.search(text) else [])]


def _when(pattern: str, *uses: Use, unless: str = "(?!)") -> Callable[[str], list[Use]]:
    wanted, unwanted = re.compile(f"(?i){pattern}"), re.compile(f"(?i){unless}")
    return lambda text: list(uses) if wanted.search(text) and not unwanted.search(text) else []


_PHRASES: tuple[Callable[[str], list[Use]], ...] = (
    _floor,
    _when(
        r"\b(?:all|every|any)\b.*\b(?:traffic|connections?|communications?|requests?|data in transit)\b.*\b(?:HTTPS|TLS|SSL)\b",
        ("web.plain_http_only_redirects", {}),
        ("tls.accepts_current_versions", {}),
        unless=r"\b(?:TLS|SSL)\s*v?\d",
    ),
    _when(r"\bHTTP\b.*\bredirect\w*\b.*\bHTTPS\b", ("web.plain_http_only_redirects", {})),
    _when(r"\bHTTPS[- ]only\b|\bonly (?:over|via) HTTPS\b", ("web.plain_http_only_redirects", {})),
    # How long browsers are told to stay with HTTPS is not stated, so that any time does.
    _when(
        r"\bHSTS\b|\bstrict[- ]transport[- ]security\b",
        ("web.hsts_is_set", _WEAKEST["web.hsts_is_set"]),
        unless=r"preload|sub-?domain|max-age|\b(?:year|month|week|day)s?\b",
    ),
    _when(r"\bvalid (?:TLS |SSL |X\.509 )?certificates?\b", ("tls.certificates_are_valid", {})),
    _when(r"\bsecurity\.txt\b", ("disclosure.security_txt_is_valid", {})),
)


def plainly(text: str, catalogue: Catalogue) -> Mapped | None:
    """What plainly decides a sentence, by its phrases; None where that is not plain."""
    words = [word.strip("()\"',:;.!/").lower() for word in re.split(r"[\s/-]+", text)]
    strange = any(word and word not in _PLAIN_WORDS and not _NUMBERED.fullmatch(word) for word in words)
    if strange or _HEDGED.search(text) or _ELSEWHERE.search(text):
        return None
    uses: dict[str, Use] = {}
    for phrase in _PHRASES:
        for use in phrase(text):
            if use[0] in catalogue:
                uses.setdefault(use[0], use)
    return Mapped(tuple(uses.values())) if uses else None


def word_for_word(
    policy: Policy, page: Sequence[str], catalogue: Catalogue
) -> Iterator[tuple[Claim, tuple[str, ...], Mapped]]:
    """The claims of the built-in policy whose every sentence stands on the page, with these sentences and what decides them.

    One of which a check would bring a threshold that the page does not state has nothing that decides it, and a note.
    """
    present = set(page)
    for claim in policy.claims:
        carried = tuple(one for text in claim.sentences for line in text.splitlines() for one in sentences(line))
        if claim.origin != "page" or not carried or not present.issuperset(carried):
            continue
        words = normalise(" ".join(carried))
        uses = [
            (use.check, {**_WEAKEST.get(use.check, {}), **use.given}) for use in claim.uses if use.check in catalogue
        ]
        unstated = [f"{check} ({said})" for check, given in uses if (said := _unstated(check, given, words, catalogue))]
        if unstated:
            note = f"not found out: the numbers that the page does not state, for {', '.join(unstated)}"
            others = [check for check, _ in uses if not any(one.startswith(f"{check} ") for one in unstated)]
            beside = f"; beside {', '.join(others)}" if others else ""
            yield claim, carried, Mapped((), f"{note}{beside}")
        else:
            yield claim, carried, Mapped(tuple(uses))


def _unstated(check: str, given: Mapping[str, Any], words: str, catalogue: Catalogue) -> str:
    """The first threshold that the check would bring and that the words do not state, as `name: value`; empty for none."""
    for name, field in catalogue[check].parameters.model_fields.items():
        value = given.get(name, None if field.is_required() else field.default)
        if _TOLERANCE.search(name) or value == _WEAKEST.get(check, {}).get(name, ...):
            continue
        if not all(_stated(one, name, words) for one in _quantities(value)):
            return f"{name}: {getattr(value, 'value', value)}"
    return ""


def _quantities(value: object) -> Iterator[str]:
    """The numbers and versions in a parameter's value."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield f"{value:g}"
    elif isinstance(value, str):
        yield from re.findall(r"\d+(?:\.\d+)?", value) if re.fullmatch(r"(?:TLS|SSL) [\d.]+", value) else ()
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _quantities(one)


def _stated(number: str, name: str, words: str) -> bool:
    spelled = _SPELLED.get((number, name.rpartition("_")[2]))
    if spelled and re.search(rf"(?i)\b{spelled}\b", words):
        return True
    return re.search(rf"(?<![\d.]){re.escape(number)}(?!\.?\d)", words) is not None
