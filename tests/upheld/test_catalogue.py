"""What a signature says, loading by path, and the mistakes of those who write checks."""

from __future__ import annotations

import textwrap

import pytest
from pydantic import ValidationError

from upheld.catalogue import Catalogue
from upheld.errors import InputError

GOOD = '''
from collections.abc import Iterator
from enum import StrEnum
from upheld import OBSERVED, Finding, check
from upheld.probes.clock import Clock

class Colour(StrEnum):
    RED = "red"

@check(basis=OBSERVED, exclusive=True)
def is_right(clock: Clock, *, minimum_days: int = 3, colour: Colour = Colour.RED) -> Iterator[Finding]:
    """The clock is right.

    Decides: nothing.
    """
    yield Finding(clock.now(), passed=True, expected="", observed="")
'''


def write(folder, **modules):
    folder.mkdir(exist_ok=True)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


def test_a_check_says_what_it_is_by_signature_and_docstring(tmp_path):
    catalogue = Catalogue.load(write(tmp_path / "checks", family=GOOD))
    one = catalogue["family.is_right"]
    assert one.title == "The clock is right."
    assert one.marks.exclusive
    assert not one.marks.intrusive
    assert [kind.name for kind in one.probes.values()] == ["clock"]
    assert len(one.code_digest) == 64
    values, text = one.arguments({"minimum_days": 5})
    assert text == '{"colour": "red", "minimum_days": 5}'
    assert values["minimum_days"] == 5
    assert type(values["colour"]).__name__ == "Colour"


@pytest.mark.parametrize(
    "given", [{"minimum_days": "5"}, {"minimum_days": True}, {"minimum_dayz": 1}, {"colour": "blue"}]
)
def test_parameters_are_checked_strictly(tmp_path, given):
    one = Catalogue.load(write(tmp_path / "checks", family=GOOD))["family.is_right"]
    with pytest.raises(ValidationError):
        one.arguments(given)


def test_a_family_may_be_a_folder(tmp_path):
    folder = tmp_path / "checks"
    (folder / "family").mkdir(parents=True)
    (folder / "family" / "half.py").write_text(GOOD)
    (folder / "family" / "_helpers.py").write_text("raise RuntimeError('helpers are not searched for checks')")
    assert [one.id for one in Catalogue.load(folder)] == ["family.is_right"]


def test_modules_of_one_family_may_import_each_other(tmp_path):
    folder = tmp_path / "checks"
    (folder / "family").mkdir(parents=True)
    (folder / "family" / "_helpers.py").write_text("DAYS = 7\n")
    (folder / "family" / "half.py").write_text("from ._helpers import DAYS\n" + GOOD.replace("= 3", "= DAYS"))
    one = next(iter(Catalogue.load(folder)))
    assert one.defaults[0]["minimum_days"] == 7


def test_two_projects_with_the_same_module_name_do_not_collide(tmp_path):
    first = write(tmp_path / "a", family=GOOD)
    second = write(tmp_path / "b", family=GOOD.replace("is_right", "is_wrong"))
    assert [one.id for one in Catalogue.load(first, second, first)] == ["family.is_right", "family.is_wrong"]


def test_a_duplicate_is_an_error_that_names_both(tmp_path):
    with pytest.raises(InputError) as caught:
        Catalogue.load(write(tmp_path / "a", family=GOOD), write(tmp_path / "b", family=GOOD))
    assert str(tmp_path / "a") in str(caught.value)
    assert str(tmp_path / "b") in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("clock: Clock", "clock: int", "is no probe"),
        ("clock: Clock", "clock", "is no probe"),
        ('"""The clock is right.\n\n    Decides: nothing.\n    """', "", "has no docstring"),
        (
            '    yield Finding(clock.now(), passed=True, expected="", observed="")',
            "    return iter(())",
            "no generator",
        ),
        ("minimum_days: int = 3", "minimum_days=3", "has no annotation"),
        ("colour: Colour = Colour.RED", "**rest: int", "takes *rest"),
        ("from upheld import", "from upheld import Nothing,", "cannot be imported"),
        ("def is_right", "def is right", "cannot be imported"),
    ],
)
def test_a_wrong_check_is_a_mistake_with_file_and_line(tmp_path, before, after, expected):
    assert before in GOOD
    folder = write(tmp_path / "checks", family=GOOD.replace(before, after))
    with pytest.raises(InputError) as caught:
        Catalogue.load(folder)
    (mistake,) = caught.value.mistakes
    assert expected in mistake.message
    assert mistake.file == str(folder / "family.py")
    assert mistake.line > 1


def test_all_mistakes_of_all_modules_come_at_once(tmp_path):
    folder = write(tmp_path / "checks", one="import nothing_of_that_name", two="1 +", three=GOOD)
    with pytest.raises(InputError) as caught:
        Catalogue.load(folder)
    assert len(caught.value.mistakes) == 2


def test_the_nearest_name_is_found(tmp_path):
    catalogue = Catalogue.load(write(tmp_path / "checks", family=GOOD))
    assert catalogue.nearest("famly.is_rigth") == "family.is_right"
    assert catalogue.nearest("entirely-different") == ""


def test_the_digest_of_a_check_covers_the_helpers_of_its_family(tmp_path):
    digests = []
    for number in range(2):
        folder = tmp_path / str(number) / "checks"
        (folder / "family").mkdir(parents=True)
        (folder / "family" / "half.py").write_text(GOOD)
        (folder / "family" / "_helpers.py").write_text(f"DAYS = {number}\n")
        digests.append(Catalogue.load(folder)["family.is_right"].code_digest)
    assert digests[0] != digests[1]
