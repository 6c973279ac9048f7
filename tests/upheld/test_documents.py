"""Documents: plain data with places, within limits, and every mistake said with its place."""

from __future__ import annotations

import hashlib
import math
import os
import re
import sys
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from upheld import yaml_core
from upheld.documents import Document, Limits, Suggestions, load, nearest, shorten, validate
from upheld.errors import InputError, Mistake

DEFAULT = Limits()


@pytest.fixture(params=["C", "pure"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test runs with PyYAML's C parser and with its pure one."""
    if request.param == "pure":
        monkeypatch.setattr(yaml_core, "_LOADER", yaml.SafeLoader)
    return str(request.param)


def read(tmp_path: Path, text: str | bytes, limits: Limits = DEFAULT) -> Document:
    file = tmp_path / "a.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file, limits)


def mistakes(tmp_path: Path, text: str | bytes, limits: Limits = DEFAULT) -> tuple[Mistake, ...]:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, limits)
    assert caught.value.mistakes
    return caught.value.mistakes


def only(tmp_path: Path, text: str | bytes, limits: Limits = DEFAULT) -> Mistake:
    found = mistakes(tmp_path, text, limits)
    assert len(found) == 1, found
    return found[0]


# --- scalars -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("Yes", "Yes"), ("tRUE", "tRUE"),
        ("0", 0), ("12", 12), ("-12", -12), ("+12", 12), ("012", 12), ("0o14", 12), ("0xC", 12), ("-0", 0),
        ("1_000", "1_000"), ("0b1", "0b1"), ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("--1", "--1"), ("1-2", "1-2"),
        ("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0), ("1e3", 1000.0), ("1.5E-2", 0.015), (".", "."), ("1e", "1e"), ("+.", "+."),
        ("2027-01-31", "2027-01-31"), ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"), ("12:30:45", "12:30:45"),
        ("'12'", "12"), ('"true"', "true"), ("''", ""), ('"a\\tb"', "a\tb"), ("TLS 1.2", "TLS 1.2"), ("=", "="),
        ("!!str 12", "12"), ("! 12", "12"), ("!!int '12'", 12), ("!!float 3", 3.0), ("!!bool 'true'", True), ("!!null ''", None),
        ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63)),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_the_core_schema_says(tmp_path: Path, text: str, value: object) -> None:
    data = read(tmp_path, f"a: {text}\n").data
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


@pytest.mark.parametrize(
    "text",
    [".nan", ".NaN", ".inf", "-.INF", "+.inf", "1e999", "-1e400", "9223372036854775808", "9" * 5000, "0x" + "f" * 17],
)
def test_numbers_that_are_not_finite_or_too_large_are_refused(tmp_path: Path, text: str) -> None:
    mistake = only(tmp_path, f"floor: {text}\n")
    assert (mistake.line, mistake.column) == (1, 8)
    assert mistake.message.startswith("the number is")
    assert read(tmp_path, f"floor: '{text}'\n").data == {"floor": text}


# What YAML 1.1 takes for a text and the core schema for a number: PyYAML writes it without quotes.
LIKE_NUMBERS = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+|0o[0-7]+")


def texts(most: int) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["Cs", "Cc"])
    return st.text(characters, max_size=most).filter(lambda text: not LIKE_NUMBERS.fullmatch(text))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts(30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(12), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(data=PLAIN.filter(lambda value: value is not None), flow=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_a_dumper_writes_is_read_back(tmp_path: Path, data: Any, flow: bool) -> None:
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=flow)
    back = read(tmp_path, text).data
    # PyYAML writes whole floats such as 1e+16 in a way that both schemas read as floats.
    assert back == data


def test_the_digest_is_of_the_bytes_and_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbfa: 1\r\nb: 2\r\n"
    document = read(tmp_path, raw)
    assert document.data == {"a": 1, "b": 2}
    assert document.digest == hashlib.sha256(raw).hexdigest()
    assert document.place(("b",)) == (2, 4)


# --- files ---------------------------------------------------------------------------------------------------------


def said(path: Path, **limits: int) -> Mistake:
    with pytest.raises(InputError) as caught:
        load(path, Limits(**limits))
    (mistake,) = caught.value.mistakes
    return mistake


def test_a_missing_file_is_said_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "policies.yaml").write_text("a: 1")
    mistake = said(tmp_path / "policy.yaml")
    assert mistake == Mistake(str(tmp_path / "policy.yaml"), 0, 0, "the file does not exist", nearest="policies.yaml")
    assert said(tmp_path / "no" / "such" / "folder.yaml").nearest == ""


def test_folders_pipes_and_impossible_names_are_said(tmp_path: Path) -> None:
    assert said(tmp_path).message == "is a folder"
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert said(pipe).message == "is no regular file"
    assert said(tmp_path / "a\0b").message.startswith("the file name is not valid")
    assert said(tmp_path / ("a" * 5000)).message.startswith("the file cannot be read: ")
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    assert said(loop).message.startswith("the file cannot be read: ")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_file_that_cannot_be_read_is_said() -> None:
    assert said(Path("/proc/self/mem")).message.startswith("the file cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1")
    file.chmod(0)
    assert said(file).message == "the file cannot be read: Permission denied"


def test_bytes_that_are_no_text_are_said_with_their_place(tmp_path: Path) -> None:
    mistake = only(tmp_path, b"a: 1\nb: caf\xe9\n")
    assert (mistake.line, mistake.column, mistake.got) == (2, 7, "the byte 0xE9")
    assert only(tmp_path, "a: 1".encode("utf-16")).message == "the file is not UTF-8"


@pytest.mark.parametrize(
    "text", ["a: b\0c", "a: \x1b[31m", 'a: "\\0"', 'a: "\\x1b"', 'a: "\\e[2J"', "a: \x7f", "a: \x85b\x9b"]
)
def test_control_characters_are_refused_also_as_escapes(tmp_path: Path, text: str) -> None:
    mistake = only(tmp_path, text)
    assert "control character" in mistake.message
    assert mistake.got.startswith("U+00")
    assert mistake.line == 1


def test_a_control_character_is_placed(tmp_path: Path) -> None:
    mistake = only(tmp_path, "a: 1\nbé: x\x07\n")
    assert (mistake.line, mistake.column, mistake.got) == (2, 6, "U+0007")


# --- limits --------------------------------------------------------------------------------------------------------


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path) -> None:
    assert read(tmp_path, "a: " + "x" * 97, Limits(size=100)).data == {"a": "x" * 97}
    assert only(tmp_path, "a: " + "x" * 98, Limits(size=100)).expected == "at most 100 bytes"


def test_a_text_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path) -> None:
    limits = Limits(text=10)
    assert read(tmp_path, "a: " + "x" * 10, limits).data == {"a": "x" * 10}
    assert only(tmp_path, "a: " + "x" * 11, limits).message == "the text is too long"
    assert only(tmp_path, "x" * 11 + ": a", limits).message == "the text is too long"
    assert only(tmp_path, "a: " + "x" * (64 * 1024 + 1)).got == "65,537 characters"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused(tmp_path: Path, opening: str) -> None:
    found = mistakes(tmp_path, opening * 5000)
    assert "nested too deeply" in found[-1].message or "the key is no text" in found[-1].message
    assert read(tmp_path, "[" * 32 + "]" * 32).data
    assert only(tmp_path, "[" * 33 + "]" * 33).expected == "at most 32 levels"


def test_many_values_are_refused(tmp_path: Path) -> None:
    limits = Limits(nodes=100)
    assert len(read(tmp_path, "[" + "a," * 99 + "]", limits).data) == 99
    assert only(tmp_path, "[" + "a," * 100 + "]", limits).message == "the document holds too many values"


def test_aliases_share_a_value(tmp_path: Path) -> None:
    document = read(tmp_path, "a: &x {k: [1, 2]}\nb: *x\nc: &s text\nd: *s\n*s : key\n")
    assert document.data == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}, "c": "text", "d": "text", "text": "key"}
    assert document.place(("b", "k", 1)) == (1, 15)


def test_an_alias_bomb_is_refused_by_its_expanded_size(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 28))
    found = only(tmp_path, bomb)
    assert found.message == "the document holds too many values"
    deep = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 60))
    assert only(tmp_path, deep).message == "the document is nested too deeply"
    long = "a: &a " + "x" * 60_000 + "\nb: [" + "*a, " * 600 + "]\n"
    assert only(tmp_path, long).message == "the document is too large once its aliases are expanded"


def test_depth_through_an_alias_counts_from_where_the_alias_stands(tmp_path: Path) -> None:
    inner = "a: &x " + "[" * 20 + "]" * 20 + "\n"
    assert read(tmp_path, inner + "b: " + "[" * 11 + "*x" + "]" * 11).data
    assert only(tmp_path, inner + "b: " + "[" * 12 + "*x" + "]" * 12).message == "the document is nested too deeply"
    sealed = "a: &x [[[]]]\nb: &y [*x]\nc: " + "[" * 27 + "*y" + "]" * 27
    assert read(tmp_path, sealed).data
    assert mistakes(tmp_path, "a: &x [[[]]]\nb: &y [*x]\nc: " + "[" * 28 + "*y" + "]" * 28)


# --- structure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~", "null\n", "\ufeff", "--- # x\n..."])
def test_an_empty_file_is_said(tmp_path: Path, text: str) -> None:
    mistake = only(tmp_path, text)
    assert (mistake.message, mistake.line) == ("the file is empty", 1)


def test_several_documents_are_refused(tmp_path: Path) -> None:
    mistake = only(tmp_path, "a: 1\n---\nb: 2\n")
    assert (mistake.message, mistake.line) == ("the file holds several documents", 2)
    assert read(tmp_path, "---\na: 1\n...\n").data == {"a": 1}


def test_a_key_that_occurs_twice_is_said_with_both_places(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "a: 1\nb:\n  c: 1\n  'c': {x: 1}\na: 3\na: 4\n")
    assert [str(one).partition(".yaml:")[2] for one in found] == [
        "4:3: the key 'c' occurs twice: first at 3:3; expected each key once",
        "5:1: the key 'a' occurs twice: first at 1:1; expected each key once",
        "6:1: the key 'a' occurs twice: first at 1:1; expected each key once",
    ]


@pytest.mark.parametrize("key", ["1", "true", "null", "1.5", "~"])
def test_a_key_that_is_no_text_is_refused(tmp_path: Path, key: str) -> None:
    assert only(tmp_path, f"{key}: x").message == "the key is no text"
    assert read(tmp_path, f"'{key}': x").data == {key: "x"}


@pytest.mark.parametrize("text", ["? [a]\n: b", "{[a]: b}", "? {a: b}\n: c", "x: &k [a]\n*k : b"])
def test_a_container_as_key_is_refused(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)[0].message == "the key is no text"


def test_merge_keys_are_refused_and_said(tmp_path: Path) -> None:
    mistake = only(tmp_path, "a: &a {x: 1}\nb:\n  <<: *a\n")
    assert (mistake.line, mistake.column, mistake.message) == (3, 3, "merge keys (<<) are not supported")
    assert read(tmp_path, "'<<': 1\nx: <<\n").data == {"<<": 1, "x": "<<"}


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [echo]", "!!python/name:os.system ''", "!x 1", "!!binary aGk=", "!!set {a}", "!!omap []",
        "!!timestamp 2027-01-31", "!!map []", "!!seq {}", "!!str [a]", "!!map x", "!<tag:example.com,2000:x> 1",
    ],
)  # fmt: skip
def test_tags_are_refused(tmp_path: Path, text: str) -> None:
    mistake = only(tmp_path, f"a: {text}\n")
    assert mistake.message == "the tag is not allowed"
    assert (mistake.line, mistake.column) == (1, 4)


@pytest.mark.parametrize("text", ["!!int abc", "!!bool yes", "!!float x", "!!int 1.5", "!!null x"])
def test_a_tag_that_its_value_contradicts_is_refused(tmp_path: Path, text: str) -> None:
    assert "is not what its tag" in only(tmp_path, f"a: {text}").message


def test_aliases_that_are_unknown_or_go_in_circles_are_refused(tmp_path: Path) -> None:
    mistake = only(tmp_path, "a: &limits 1\nb: *limit\n")
    assert (mistake.nearest, mistake.line) == ("limits", 2)
    assert "cycle" in only(tmp_path, "a: &a [*a]").message
    assert "cycle" in only(tmp_path, "&a {b: {c: *a}}").message


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a: b: c", 1, "quotes"),
        ("a:\n\t- b", 2, "spaces for indentation"),
        ("a: 'b", 1, "quotation mark"),
        ("a: [b, c", 1, ""),
        ("a: b\n c: d", 2, "quotes"),
        ("a:\n  - b\n c: d", 3, "same indentation"),
        ("a: @b", 1, "quotes"),
        ("%", 1, ""),
        ("a: &", 1, ""),
        ('a: "\\q"', 1, ""),
    ],
)
def test_syntax_errors_have_a_place_and_a_hint(tmp_path: Path, text: str, line: int, hint: str) -> None:
    mistake = only(tmp_path, text)
    assert mistake.message.startswith("no valid YAML: ")
    assert line <= mistake.line <= text.count("\n") + 2
    assert mistake.column
    assert hint in mistake.expected


def test_an_escape_that_is_no_character_is_refused(tmp_path: Path) -> None:
    assert mistakes(tmp_path, 'a: "\\UFFFFFFFF"')
    assert mistakes(tmp_path, 'a: "\\uD800"')


def test_what_can_be_read_is_judged_before_a_syntax_error(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "a: 1\na: 2\nb: !!set {}\nc: [")
    assert len(found) == 3
    assert [one.line for one in found][:2] == [2, 3]


# --- places --------------------------------------------------------------------------------------------------------

TEXT = """\
name: x
claims:
  - id: a
    checks:
      - tls.ok: {days: 3}
  - id: b
"""


@pytest.mark.parametrize(
    ("location", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("name",), (1, 7), (1, 1)),
        (("claims",), (3, 3), (2, 1)),
        (("claims", 0), (3, 5), (3, 5)),
        (("claims", 0, "id"), (3, 9), (3, 5)),
        (("claims", 0, "checks", 0, "tls.ok", "days"), (5, 24), (5, 18)),
        (("claims", 1, "missing", "deeper"), (6, 5), (6, 5)),
        (("claims", 7, "id"), (3, 3), (3, 3)),
        (("claims", -1), (3, 3), (3, 3)),
        (("claims", "id"), (3, 3), (3, 3)),
        (("name", "deeper", 3), (1, 7), (1, 7)),
    ],
)
def test_a_place_is_the_value_s_or_the_key_s_or_the_nearest_above(
    tmp_path: Path, location: tuple[str | int, ...], value: tuple[int, int], key: tuple[int, int]
) -> None:
    document = read(tmp_path, TEXT)
    assert document.place(location) == value
    assert document.place(location, key=True) == key


# --- validation ----------------------------------------------------------------------------------------------------


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def no_secret(value: object) -> object:
    raise PydanticCustomError("secret_value", "a secret must be a reference")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    days: int = 1
    colour: Colour | None = None
    ends: date | None = None


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    upheld: Literal["test/1"]
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}
    renamed: int = Field(default=0, alias="other", ge=0)
    flag: bool = False
    password: Annotated[str, BeforeValidator(no_secret)] | None = None
    secrets: dict[str, str] = {}
    pair: tuple[int, ...] = Field(default=(1, 2), min_length=2)


def invalid(tmp_path: Path, text: str) -> list[str]:
    document = read(tmp_path, text)
    with pytest.raises(InputError) as caught:
        validate(document, Whole)
    return [str(one).partition(".yaml:")[2] for one in caught.value.mistakes]


def test_a_valid_document_becomes_the_model(tmp_path: Path) -> None:
    document = read(tmp_path, "upheld: test/1\nother: 3\nparts: [{name: a, colour: green, ends: 2027-01-31}]\n")
    whole = validate(document, Whole)
    assert whole.parts[0] == Part(name="a", colour=Colour.GREEN, ends=date(2027, 1, 31))
    assert whole.renamed == 3
    assert validate(document, Part, {"name": "b"}).name == "b"


def test_every_mistake_is_said_by_place_with_what_was_expected_and_the_nearest_word(tmp_path: Path) -> None:
    text = """\
upheld: test/2
partz: []
parts:
  - {name: 3, dayz: 1}
  - {days: "1", colour: gren}
  - nonsense
  - {name: x, ends: 31.1.2027}
by_name:
  a: {name: a, colours: red}
other: -1
flag: yes
"""
    assert invalid(tmp_path, text) == [
        "1:9: upheld is not valid; got 'test/2'; expected 'test/1'; did you mean 'test/1'?",
        "2:1: 'partz' is not known here; did you mean 'parts'?",
        "4:12: parts.0.name is not valid; got 3; expected a text",
        "4:15: 'dayz' is not known here; did you mean 'days'?",
        "5:5: 'name' is missing; expected a value for 'name'",
        "5:12: parts.1.days is not valid; got '1'; expected a whole number",
        "5:25: parts.1.colour is not valid; got 'gren'; expected 'red' or 'green'; did you mean 'green'?",
        "6:5: parts.2 is not valid; got 'nonsense'; expected a mapping",
        "7:21: parts.3.ends is not valid; got '31.1.2027'; expected a date such as 2027-01-31",
        "9:16: 'colours' is not known here; did you mean 'colour'?",
        "10:8: other: Input should be greater than or equal to 0; got -1",
        "11:7: flag is not valid; got 'yes'; expected true or false",
    ]


def test_an_unknown_key_that_is_like_none_is_said_with_those_that_are_known(tmp_path: Path) -> None:
    (mistake,) = invalid(tmp_path, "upheld: test/1\nparts: [{name: a, zzz: 1}]")
    assert mistake == "2:19: 'zzz' is not known here; expected one of name, days, colour, ends"


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("[1, x]", ["pair.1 is not valid"]),
        ("[x, y]", ["pair.0 is not valid", "pair.1 is not valid"]),
        ("[1]", ["pair: Tuple should have at least 2 items"]),
        ("[]", ["pair: Tuple should have at least 2 items"]),
        ("[x]", ["pair: Tuple should have at least 2 items", "pair.0 is not valid"]),
    ],
)
def test_a_list_is_not_too_short_for_an_item_that_is_wrong(tmp_path: Path, pair: str, said: list[str]) -> None:
    found = invalid(tmp_path, f"upheld: test/1\npair: {pair}")
    assert [re.split(r"; got| after validation", one.partition(": ")[2])[0] for one in found] == said


@pytest.mark.parametrize("root", ["[a]", "text", "3", "[]", "{}"])
def test_a_document_of_another_shape_is_said(tmp_path: Path, root: str) -> None:
    assert invalid(tmp_path, root)


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2-is-the-secret",
        "secrets: hunter2-is-the-secret",
        "secrets: {a: 2718281828, hunter2: [hunter2-is-the-secret]}",
        "parts: ['postgresql://u:hunter2-is-the-secret@h/d']",
        "parts: ['Bearer hunter2-is-the-secret']",
        "passwort: hunter2-is-the-secret",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, text: str) -> None:
    found = "\n".join(invalid(tmp_path, f"upheld: test/1\n{text}\n"))
    assert found
    assert "hunter2-is" not in found
    assert "2718" not in found


def test_long_values_are_cut() -> None:
    assert shorten("x" * 1000) == "'" + "x" * 56 + "..."
    assert [shorten(value) for value in ({}, [], None, True, 1.5)] == ["a mapping", "a list", "nothing", "true", "1.5"]


def test_suggestions_end_with_their_budget() -> None:
    suggestions = Suggestions(comparisons=5)
    assert suggestions.nearest("transit", ["transit-tls12", "b", "c"]) == "transit-tls12"
    assert suggestions.nearest("transit", ["transit-tls12", "b", "c"]) == ""
    assert nearest("q", ["transit-tls12"]) == ""


# --- nothing but InputError ----------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["a", "b: ", "- ", "? ", ": ", "[", "]", "{", "}", ",", "\n", "  ", "\t", "&a ", "*a", "!!", "!x ", "!!int ", "|", ">", "'", '"',
     "\\", "<<: ", "---", "...", "%YAML 1.1", "#", "1", ".nan", "null", "é", "\u2028", "\r\n", "\0", "\x85", "0x", "@", "`", "\ufeff"]
)  # fmt: skip


def attempt(folder: Path, raw: bytes) -> Iterator[Any]:
    file = folder / "fuzz.yaml"
    file.write_bytes(raw)
    try:
        document = load(file)
    except InputError as error:
        said = error.mistakes
    else:
        said = (Mistake(str(file), 0, 0, "none"),)
        yield document
    assert said
    assert all(one.message and one.file == str(file) for one in said)


def sound(value: Any, depth: int = 0) -> None:
    assert depth <= 32
    if isinstance(value, dict):
        for key, item in value.items():
            assert type(key) is str
            sound(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            sound(item, depth + 1)
    else:
        assert value is None or type(value) in {bool, int, float, str}
        assert not isinstance(value, float) or math.isfinite(value)


@given(raw=st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode()))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_the_bytes_are_there_is_plain_data_or_an_input_error(tmp_path: Path, raw: bytes) -> None:
    for document in attempt(tmp_path, raw):
        sound(document.data)
        assert all(number >= 1 for number in document.place(("a", 0, "b")))
        with pytest.raises(InputError):
            validate(document, Whole, {"upheld": document.data, "parts": document.data})
