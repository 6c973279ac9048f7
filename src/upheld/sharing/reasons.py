"""Why something was not observed, by class: fixed words for a customer, who never reads a reason itself.

A reason may hold names of hosts, paths and whatever a target said. So nothing of its text is told: the first of these patterns
that is found in it decides the class, and a reason in which none is found is of the last one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from upheld.model import CheckResult, Verdict

OTHER = "another reason"
_CLASSES: tuple[tuple[str, str], ...] = (
    (r"\bnever reported\b|\bwas interrupted\b", "the run ended before it was looked at"),
    (r"^the target is not available\b", "what was to be audited could not be reached as a whole"),
    (
        r"\bthe target (?:describes|names|declares|offers|has|gives|keeps) (?:no|fewer|nothing)\b|\bthe target does not\b",
        "it was not described to the audit",
    ),
    (r"\bnot installed\b|\bno browser\b|\bcannot be run\b", "an instrument was missing"),
    (
        r"\brate limit\b|\blimit on many requests\b|\bis limited\b|\bwas still limited\b|\banswered 429\b",
        "a limit on requests stood in the way",
    ),
    (r"\bno answer\b|\btime limit\b|\btimed out\b|\bdid not (?:end|resolve) within\b", "no answer came in time"),
    (r"\bcertificate\b.*\bnot accepted\b|\bno TLS connection\b", "no trusted connection to it could be made"),
    (r"\brefused\b|\bdenied\b|\bpermission\b|\bcannot log in\b", "a connection, a login or a read was refused"),
    (r"\blarger than\b|\bmore than [\d,]+\b|\btoo (?:large|long|deeply|many)\b", "it was too large to be read"),
    (r"\bcannot be (?:read|understood|listed|searched)\b", "it could not be read"),
    (r"\banswered [1-5][0-9]{2}\b", "an answer came that decides nothing"),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), words) for pattern, words in _CLASSES)
_READ = 2000
"""Characters of a reason that are looked through."""

CLASSES = frozenset({OTHER, *(words for _, words in _CLASSES)})
"""All that a customer may be told of a reason."""


def class_of(reason: str) -> str:
    """The class of a reason, in fixed words."""
    head = reason[:_READ]
    return next((words for pattern, words in _PATTERNS if pattern.search(head)), OTHER)


def classes(checks: Iterable[CheckResult]) -> dict[str, int]:
    """How often each class stood in the way of these checks, the most frequent first."""
    found: Counter[str] = Counter()
    for check in checks:
        unseen = [one.reason for one in check.findings if one.verdict is Verdict.INCONCLUSIVE]
        if not unseen and check.verdict is Verdict.INCONCLUSIVE:
            unseen = [check.reason]
        found.update(map(class_of, unseen))
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
