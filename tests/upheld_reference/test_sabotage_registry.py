"""The registry of sabotages: what it finds, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import upheld_reference
from upheld_reference import sabotages
from upheld_reference.platform import Platform
from upheld_reference.sabotages import SabotageError, UnknownSabotageError
from upheld_reference.settings import Settings

PUBLISHED = {
    claim["id"]: set(claim.get("decided_by", ()))
    for claim in yaml.safe_load(Path(__file__).parents[2].joinpath("policies.yaml").read_text(encoding="utf-8"))[
        "claims"
    ]
}
"""The published claims, each with the other claims that decide it."""


def roll_ups_of(broken: set[str]) -> set[str]:
    """The claims that turn because others that decide them do."""
    turned: set[str] = set()
    while more := {one for one, by in PUBLISHED.items() if by & (broken | turned)} - turned - broken:
        turned |= more
    return turned


def test_every_sabotage_names_published_claims_and_says_what_is_wrong() -> None:
    catalogue = sabotages.catalogue()
    assert {claim for found in catalogue.values() for claim in (*found.breaks, *found.also)} <= PUBLISHED.keys()
    assert [name for name, found in catalogue.items() if not found.sentence.endswith(".")] == []
    assert list(catalogue) == sorted(catalogue)


def test_roll_ups_turn_with_what_decides_them() -> None:
    wrong = {
        name: roll_ups_of(set(found.breaks)) ^ set(found.also)
        for name, found in sabotages.catalogue().items()
        if roll_ups_of(set(found.breaks)) != set(found.also)
    }
    assert wrong == {}


def test_an_unknown_name_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(UnknownSabotageError, match=r"did you mean hsts_missing\b") as caught:
        sabotages.find("hsts_mising")
    assert caught.value.nearest[0] == "hsts_missing"


def test_a_duplicate_name_is_an_error() -> None:
    def hsts_missing(platform: Platform) -> None:
        """Another of that name."""

    sabotages.catalogue()
    with pytest.raises(SabotageError, match="both define the sabotage 'hsts_missing'"):
        sabotages.sabotage(breaks=("x",), shows=("y",))(hsts_missing)


def test_a_sabotage_needs_a_claim_and_a_sentence() -> None:
    def breaks_nothing(platform: Platform) -> None:
        """Breaks nothing."""

    def says_nothing(platform: Platform) -> None:
        pass

    with pytest.raises(SabotageError, match="names no claim"):
        sabotages.sabotage(breaks=(), shows=("y",))(breaks_nothing)
    with pytest.raises(SabotageError, match="has no docstring"):
        sabotages.sabotage(breaks=("x",), shows=("y",))(says_nothing)
    for nothing in ((), ("",), "a word that is no tuple"):
        with pytest.raises(SabotageError, match="does not say what the findings show"):
            sabotages.sabotage(breaks=("x",), shows=nothing)(breaks_nothing)


def test_replacing_what_is_not_there_is_an_error(tmp_path) -> None:
    with pytest.raises(AttributeError):
        Platform(Settings(folder=tmp_path)).replace(sabotages, "no_such_part", None)


STARTERS = {"assembly.py", "cli.py", "deployment.py", "embedding.py", "facts.py", "server.py"}
"""They start what is asked for, by name; what is started knows nothing of it."""


def test_the_platform_itself_knows_of_no_sabotage() -> None:
    root = Path(upheld_reference.__file__).parent
    files = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in {"sabotages", *STARTERS}]
    assert len(files) > 50
    knowing = [path.relative_to(root).as_posix() for path in files if "sabotage" in path.read_text("utf-8").lower()]
    # The one that copies the platform's code into its repository names the folder that it leaves out.
    assert knowing == ["codebase/tree.py"]


def test_the_command_lists_each_sabotage_on_a_line() -> None:
    command = [sys.executable, "-m", "upheld_reference", "sabotages"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    listed = [re.split(r"\s{2,}", line) for line in lines]
    assert listed == [[s.name, ",".join(s.breaks), s.sentence] for s in sabotages.catalogue().values()]
