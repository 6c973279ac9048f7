"""Loading policies: claims, checks with parameters, and every mistake of a file at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upheld.catalogue import Catalogue
from upheld.errors import InputError
from upheld.model import Severity
from upheld.policies import CheckUse


def test_a_claim_is_loaded_with_all_that_it_says(project, claim) -> None:
    project.policy(
        claim(
            "transit.tls-12",
            """
sentences: [One., Two.]
references: {soc2: [CC6.7], iso27001: [A.8.24, "8.2"], popia: ["s19", s22(1)], gdpr: [Art. 32(1)(a)]}
gated: false
note: Soon.
accept_attested: true
decided_by: [b]
checks:
  - tls.refuses_old: {minimum: TLS 1.3}
  - tls.is_kept: {days: 90}
    not_applicable: Nothing is kept.
  - tls.is_plain
""".strip(),
        ),
        claim("b"),
    )
    policy = project.load()
    first, second = policy.claims
    assert (policy.name, policy.no_promise, policy.overrides, policy.waivers) == ("Test", (), (), ())
    assert (first.id, first.statement, first.section, first.owner) == (
        "transit.tls-12",
        "It is transit.tls-12.",
        "S",
        "platform",
    )
    assert first.severity is Severity.HIGH
    assert first.sentences == ("One.", "Two.")
    assert first.references == {
        "soc2": ("CC6.7",),
        "iso27001": ("A.8.24", "8.2"),
        "popia": ("s19", "s22(1)"),
        "gdpr": ("Art. 32(1)(a)",),
    }
    assert (first.gated, first.note, first.accept_attested, first.decided_by, first.origin) == (
        False,
        "Soon.",
        True,
        ("b",),
        "page",
    )
    assert (first.file, first.line) == (policy.file, 4)
    assert first.uses == (
        CheckUse("tls.refuses_old", {"minimum": "TLS 1.3"}, '{"hosts": [], "minimum": "TLS 1.3"}', "", 16),
        CheckUse("tls.is_kept", {"days": 90}, '{"days": 90, "factor": 1.5, "strict": true}', "Nothing is kept.", 17),
        CheckUse("tls.is_plain", {}, "{}", "", 19),
    )
    assert (second.sentences, second.uses, second.gated, second.references) == (("It is b.",), (), True, {})


def test_a_claim_about_the_page_itself_carries_no_sentence_of_it(project, claim) -> None:
    project.policy(claim("a", "origin: policy"))
    assert project.load().claims[0].sentences == ()


def test_a_check_without_parameters_may_be_written_in_three_ways(project, claim) -> None:
    for form in ("tls.is_plain", "tls.is_plain:", "tls.is_plain: {}"):
        project.policy(claim("a", f"checks:\n  - {form}"))
        assert project.load().claims[0].uses[0].given == {}


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ("[tls.refuse_old]", "9:14: no check is called 'tls.refuse_old'; did you mean 'tls.refuses_old'?"),
        ("[qqq]", "9:14: no check is called 'qqq'"),
        ("[{tls.refuses_old: {minimun: TLS 1.2}}]", "9:33: 'minimun' is not known here; did you mean 'minimum'?"),
        (
            "[{tls.refuses_old: {minimum: TLS 1.4}}]",
            "9:42: minimum is not valid; got 'TLS 1.4'; expected 'TLS 1.2' or 'TLS 1.3'; did you mean 'TLS 1.3'?",
        ),
        ("[tls.is_kept]", "9:14: 'days' is missing; expected a value for 'days'"),
        ('[{tls.is_kept: {days: "90"}}]', "9:35: days is not valid; got '90'; expected a whole number"),
        ("[{tls.is_kept: {days: 1.5}}]", "9:35: days is not valid; got 1.5; expected a whole number"),
        ("[{tls.is_kept: {days: true}}]", "9:35: days is not valid; got true; expected a whole number"),
        ("[{tls.is_kept: {days: .nan}}]", "9:35: the number is not finite; got '.nan'; expected a finite number"),
        ("[{tls.refuses_old: {hosts: a}}]", "9:40: hosts is not valid; got 'a'; expected a list"),
        ("[{tls.refuses_old: {hosts: [a, 1]}}]", "9:44: hosts.1 is not valid; got 1; expected a text"),
        ("[{tls.is_plain: 3}]", "9:29: the parameters of tls.is_plain are not valid; got 3; expected a mapping"),
        ("[{tls.is_plain: {x: 1}}]", "9:30: 'x' is not known here"),
        ("[{tls.is_plain: {}, tls.refuses_old: {}}]", "9:14: is no use of one check; got the names tls.is_plain, tls.refuses_old"),
        ("[{not_applicable: x}]", "9:14: is no use of one check; got a mapping"),
        ("[{tls.is_plain: {}, not_applicable: ''}]", "9:49: not_applicable gives no reason; got ''"),
        ("[{tls.is_plain: {}, not_applicable: }]", "9:49: not_applicable gives no reason; got nothing"),
        ("[3]", "9:14: is no use of one check; got 3"),
        ("[null]", "9:14: is no use of one check; got nothing"),
        ("tls.is_plain", "9:13: claims.0.checks is not valid; got 'tls.is_plain'; expected a list"),
        (
            "[tls.refuses_old, {tls.refuses_old: {minimum: TLS 1.2}}]",
            "9:32: the check tls.refuses_old occurs twice with the same parameters: first at 9:14",
        ),
    ],
)  # fmt: skip
def test_a_wrong_use_of_a_check_is_said_with_its_place(project, claim, checks: str, said: str) -> None:
    project.policy(claim("a", f"checks: {checks}"))
    (mistake,) = project.mistakes()
    assert mistake.startswith(f"policies.yaml:{said}")


def test_a_check_may_be_used_twice_with_other_parameters(project, claim) -> None:
    project.policy(claim("a", "checks: [{tls.is_kept: {days: 1}}, {tls.is_kept: {days: 2}}]"))
    assert [json.loads(use.arguments_json)["days"] for use in project.load().claims[0].uses] == [1, 2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("severity: hgih", "claims.0.severity is not valid; got 'hgih'; expected 'critical', 'high', 'medium' or 'low'; did you mean 'high'?"),
        ("id: Upper", "claims.0.id: String should match pattern '^[a-z0-9][a-z0-9.-]*$'; got 'Upper'"),
        ("statement: ' '", "claims.0.statement: must not be blank; got ' '"),
        ("owner: ''", "claims.0.owner: must not be blank; got ''"),
        ("sentences: ['']", "claims.0.sentences.0: must not be blank; got ''"),
        ("orign: policy", "'orign' is not known here; did you mean 'origin'?"),
        ("references: {soc: [CC6.1]}", "'soc' is not known here; did you mean 'soc2'?"),
        ("references: {soc2: [CC6.9]}", "claims.0.references.soc2.0: SOC 2 (Trust Services Criteria) has no such point; one is CC6.7"),
        ("references: {iso27001: [A.8.35]}", "claims.0.references.iso27001.0: ISO/IEC 27001:2022 has no such point; one is A.8.24"),
        ("references: {iso27001: [A.9.4.1]}", "claims.0.references.iso27001.0: ISO/IEC 27001:2022 has no such point; one is A.8.24"),
        ("references: {popia: [s116]}", "claims.0.references.popia.0: POPIA has no such point; one is s19(1)"),
        ("references: {gdpr: [Art. 100]}", "claims.0.references.gdpr.0: the GDPR has no such point; one is Art. 32(1)(a)"),
        ("decided_by: [aa]", "decided_by names no claim: 'aa'"),
        ("gated: yes", "claims.0.gated is not valid; got 'yes'; expected true or false"),
    ],
)  # fmt: skip
def test_a_wrong_claim_is_said(project, claim, more: str, said: str) -> None:
    field = more.partition(":")[0]
    text = "\n".join(line for line in claim("a").splitlines() if not line.startswith(f"{field}:"))
    project.policy(f"gated: true\n{text}\n{more}" if field != "gated" else f"{text}\n{more}")
    found = project.mistakes()
    assert any(said in mistake for mistake in found), found
    assert len(found) == 1


def test_everything_that_a_claim_must_have_is_said_to_be_missing(project) -> None:
    project.policy("note: x")
    assert [one.partition(": ")[2].partition(";")[0] for one in project.mistakes()] == [
        f"'{name}' is missing" for name in ("id", "statement", "section", "severity", "owner")
    ]


def test_every_mistake_of_a_file_is_said_at_once_in_order(project, claim) -> None:
    project.write("waivers.yaml", "waivers:\n  - {claim: aa, reason: r, approver: b}\n")
    project.policy(
        claim("a", "checks: [tls.nothing, {tls.is_kept: {dayz: 3}}]\ndecided_by: [zz]"),
        claim("a", "colour: red"),
        claim("b", "decided_by: [c]"),
        claim("c", "decided_by: [b]"),
        head="nam: Test\n",
    )
    found = project.mistakes()
    assert [one.partition(":")[0] for one in found] == ["policies.yaml"] * 8 + ["waivers.yaml"] * 2
    lines = [int(one.split(":")[1]) for one in found]
    assert lines[:8] == sorted(lines[:8])
    text = "\n".join(found)
    for part in (
        "'nam' is not known here; did you mean 'name'?",
        "no check is called 'tls.nothing'",
        "'dayz' is not known here; did you mean 'days'?",
        "'days' is missing",
        "decided_by names no claim: 'zz'",
        "two claims are called 'a': the first is at policies.yaml:4:9",
        "'colour' is not known here",
        "claims decide each other in a circle: b -> c -> b",
        "the waiver is for a claim that is not there: 'aa'; did you mean 'a'?",
        "'expires' is missing",
    ):
        assert part in text, part


def test_circles_of_any_length_are_found_and_diamonds_are_none(project, claim) -> None:
    project.policy(claim("a", "decided_by: [a]"), claim("b"))
    assert project.mistakes() == [
        "policies.yaml:9:17: claims decide each other in a circle: a -> a; expected claims that this one does not decide in turn"
    ]
    project.policy(
        claim("a", "decided_by: [b, c]"), claim("b", "decided_by: [d]"), claim("c", "decided_by: [d]"), claim("d")
    )
    assert len(project.load().claims) == 4
    length = 3000
    chain = [claim(f"c{i}", f"decided_by: [c{(i + 1) % length}]") for i in range(length)]
    project.policy(*chain)
    (mistake,) = project.mistakes()
    assert "c5 -> (2992 more) -> c2998 -> c2999 -> c0; expected" in mistake
    project.policy(*chain[:-1], claim(f"c{length - 1}"))
    assert len(project.load().claims) == length


def test_decided_by_names_each_claim_once(project, claim) -> None:
    project.policy(claim("a", "decided_by: [b, b]"), claim("b"))
    assert project.mistakes() == ["policies.yaml:9:21: decided_by names 'b' twice; expected each claim once"]


def test_a_sentence_without_promise_is_carried_by_no_claim_and_listed_once(project, claim) -> None:
    project.policy(
        claim("a"), head='name: T\nno_promise: [{sentence: "It is b.", why: w}, {sentence: "It is c.", why: v}]\n'
    )
    assert project.load().no_promise == (("It is b.", "w"), ("It is c.", "v"))
    project.policy(
        claim("a"),
        head='name: T\nno_promise: [{sentence: "It is a.", why: w}, {sentence: x, why: w}, {sentence: x, why: v}]\n',
    )
    assert [one.partition(": ")[2] for one in project.mistakes()] == [
        (
            "the sentence is said to promise nothing, and the claim a carries it; got 'It is a.'; "
            "expected it in one place: a claim, or no_promise"
        ),
        "the sentence is listed twice; got 'x'; expected each sentence once",
    ]
    project.policy(claim("a"), head="name: T\nno_promise: [{sentence: x}]\n")
    assert "'why' is missing" in project.mistakes()[0]


@pytest.mark.parametrize(
    "text",
    ["[]", "a", "3", "{}", "claims: 3", "upheld: policy/1\nname: x\n", "upheld: policy/1\nname: x\nclaims: []\n"],
)
def test_a_file_that_is_no_policy_is_said(project, text: str) -> None:
    project.write("policies.yaml", text)
    assert project.mistakes()


def test_a_policy_needs_a_name(project, claim) -> None:
    project.policy(claim("a"), head="")
    assert project.mistakes() == ["policies.yaml:1:1: 'name' is missing; expected a value for 'name'"]


def test_another_format_is_said(project, claim) -> None:
    project.write("policies.yaml", "upheld: policy/2\nname: T\nclaims: []\n")
    assert "upheld is not valid; got 'policy/2'; expected 'policy/1'" in project.mistakes()[0]


def test_a_missing_policy_is_said(project) -> None:
    assert project.mistakes("policy.yaml") == ["policy.yaml: the file does not exist; expected a YAML file"]


def test_the_digest_follows_the_bytes(project, claim) -> None:
    path = project.policy(claim("a"))
    before = project.load().digest
    assert project.load().digest == before
    path.write_text(path.read_text() + "# a comment\n")
    assert project.load().digest != before
    project.write("waivers.yaml", "waivers: [{claim: a, reason: r, approver: b, expires: 2027-01-31}]")
    path.write_text(path.read_text().removesuffix("# a comment\n"))
    assert project.load().digest == before  # Waivers change no verdict.


ODD = """
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check


class Odd:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        raise RuntimeError("it is odd")


@check(basis=OBSERVED)
def is_odd(*, days: Odd = 3) -> Iterator[Finding]:
    \"\"\"It is odd.\"\"\"
    yield Finding("x", passed=True, expected="", observed="")
"""


def test_parameters_that_cannot_be_validated_are_the_check_s_mistake(project, claim) -> None:
    path = project.write("checks/odd.py", ODD)
    project.catalogue = Catalogue.load(path.parent)
    project.policy(claim("a", "checks: [odd.is_odd]"), claim("b", "checks: [odd.is_odd]"))
    (mistake,) = project.mistakes()
    assert mistake.startswith(
        "checks/odd.py:13:1: check odd.is_odd: its parameters have types that cannot be validated: "
    )


# --- nothing but InputError ----------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    ["upheld", "name", "claims", "id", "checks", "decided_by", "override", "no_promise", "extends", "include", "waivers", "sentence",
     "sentences", "references", "soc2", "tls.is_kept", "days", "not_applicable", "statement", "a", "publication"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["policy/1", "a", "b", "tls.is_kept", "tls.is_plain", "high", "CC6.1", "policies.yaml", ".", "..", "", "\U0001f600"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)  # fmt: skip
POLICIES = st.fixed_dictionaries(
    {
        "upheld": st.just("policy/1"),
        "name": VALUES,
        "claims": st.lists(st.dictionaries(KEYS, VALUES, max_size=8), max_size=4),
    },
    optional=dict.fromkeys(("override", "no_promise", "extends", "include", "waivers", "publication"), VALUES),
)


@given(data=VALUES | POLICIES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_the_data_is_there_is_a_policy_or_an_input_error(project, data: object) -> None:
    project.write("policies.yaml", json.dumps(data))
    said = ()
    try:
        policy = project.load()
    except InputError as error:
        said = error.mistakes
    assert said or policy.claims
