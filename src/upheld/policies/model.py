"""A policy as it was loaded: frozen, complete and without mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from upheld.model import Override, Severity, Waiver


@dataclass(frozen=True, slots=True)
class CheckUse:
    """One use of a check by one claim: what the policy sets (`given`), and all arguments as canonical JSON.

    `not_applicable` is the reason why it is not run, or empty. `line` counts from 1, in the claim's file.
    """

    check: str
    given: Mapping[str, Any]
    arguments_json: str
    not_applicable: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a claim said until a day, and the sentences that changed or went then."""

    until: str
    statement: str
    sentences: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Retracted:
    """A claim that the page no longer makes: a tombstone, which nothing decides."""

    id: str
    statement: str
    sentences: tuple[str, ...]
    day: str
    why: str
    previously: tuple[Earlier, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One published claim: its words, where it stands, and what decides it.

    `sentences` are the sentences of the page that it carries, verbatim. `origin` is `policy` for a claim about the page
    itself, which no sentence of the page makes. `line` counts from 1, in `file`.
    """

    id: str
    statement: str
    sentences: tuple[str, ...]
    section: str
    severity: Severity
    owner: str
    references: Mapping[str, tuple[str, ...]]
    origin: Literal["page", "policy"]
    gated: bool
    note: str
    decided_by: tuple[str, ...]
    accept_attested: bool
    uses: tuple[CheckUse, ...]
    previously: tuple[Earlier, ...] = ()
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """What one policy file and all that it extends and includes come to.

    `digest` is over the bytes of all policy files that went in, in order; waivers are not part of it, because they change
    no verdict. `files` names those files in that order.
    """

    name: str
    file: str
    digest: str
    claims: tuple[Claim, ...]
    no_promise: tuple[tuple[str, str], ...] = ()
    overrides: tuple[Override, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    publication: Mapping[str, str] | None = None
    files: tuple[str, ...] = ()
    retracted: tuple[Retracted, ...] = ()
    deployed_from: tuple[str, ...] | None = None
    """Patterns of the paths that the deployment is made from; None where the policy does not say."""
