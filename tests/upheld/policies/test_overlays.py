"""Policies of several files: what they extend, include and override."""

from __future__ import annotations

from upheld.model import Override


def test_an_overlay_changes_parameters_and_every_change_is_kept(project, claim) -> None:
    project.policy(
        claim("a", "checks: [{tls.is_kept: {days: 90}}, tls.refuses_old]"), claim("b"), name="base/policies.yaml"
    )
    project.policy(
        name="policies.yaml",
        head=(
            "extends: base/policies.yaml\n"
            "override:\n  a:\n    tls.is_kept: {days: 30, strict: true}\n    tls.refuses_old: {minimum: TLS 1.3}\n"
        ),
    )
    policy = project.load()
    assert policy.name == "Test"
    assert [one.id for one in policy.claims] == ["a", "b"]
    kept, refused = policy.claims[0].uses
    assert kept.arguments_json == '{"days": 30, "factor": 1.5, "strict": true}'
    assert kept.given == {"days": 30, "strict": True}
    assert refused.arguments_json == '{"hosts": [], "minimum": "TLS 1.3"}'
    # A value that is what it was before is no change.
    assert policy.overrides == (
        Override(policy.file, "a", "tls.is_kept", "days", 90, 30),
        Override(policy.file, "a", "tls.refuses_old", "minimum", "TLS 1.2", "TLS 1.3"),
    )
    assert policy.files == (str(project.folder / "base/policies.yaml"), policy.file)
    assert project.load("base/policies.yaml").digest != policy.digest


def test_overlays_build_on_each_other(project, claim) -> None:
    project.policy(claim("a", "checks: [{tls.is_kept: {days: 90}}]"), name="one.yaml")
    project.policy(name="two.yaml", head="extends: one.yaml\noverride: {a: {tls.is_kept: {days: 60}}}\n")
    project.policy(
        claim("c"),
        name="policies.yaml",
        head="name: Three\nextends: [two.yaml, one.yaml]\noverride: {a: {tls.is_kept: {days: 30}}}\n",
    )
    policy = project.load()
    assert policy.name == "Three"
    assert [one.id for one in policy.claims] == ["a", "c"]
    assert [(one.base, one.value) for one in policy.overrides] == [(90, 60), (60, 30)]


def test_mistakes_in_overrides_are_said_with_their_places(project, claim) -> None:
    project.policy(claim("abc", "checks: [{tls.is_kept: {days: 90}}, {tls.is_kept: {days: 30}}]"), name="base.yaml")
    project.policy(
        head=(
            "extends: base.yaml\n"
            "override:\n"
            "  abd: {tls.is_kept: {days: 1}}\n"
            "  abc:\n"
            "    tls.is_plain: {}\n"
            "    tls.is_kept: {day: 1, days: x}\n"
        )
    )
    assert project.mistakes() == [
        "policies.yaml:4:3: the override is for a claim that is not there: 'abd'; did you mean 'abc'?",
        "policies.yaml:6:5: the override is for a check that abc does not use: 'tls.is_plain'; did you mean 'tls.is_kept'?",
        "policies.yaml:7:19: 'day' is not known here; did you mean 'days'?",
        "policies.yaml:7:33: days is not valid; got 'x'; expected a whole number",
    ]


def test_an_override_that_makes_two_uses_the_same_is_a_mistake(project, claim) -> None:
    project.policy(claim("a", "checks: [{tls.is_kept: {days: 90}}, {tls.is_kept: {days: 30}}]"), name="base.yaml")
    project.policy(head="extends: base.yaml\noverride: {a: {tls.is_kept: {days: 1}}}\n")
    (mistake,) = project.mistakes()
    assert "occurs twice with the same parameters" in mistake


def test_only_a_policy_that_extends_another_overrides(project, claim) -> None:
    project.policy(claim("a"), head="name: T\noverride: {}\n")
    assert "there is nothing to override" in project.mistakes()[0]


def test_an_overlay_cannot_leave_a_check_out(project, claim) -> None:
    project.policy(claim("a", "checks: [tls.is_plain]"), name="base.yaml")
    project.policy(head="extends: base.yaml\noverride: {a: {tls.is_plain: {not_applicable: because}}}\n")
    assert "'not_applicable' is not known here" in project.mistakes()[0]


def test_included_files_add_claims_after_those_of_the_file(project, claim) -> None:
    project.policy(claim("a", "decided_by: [b]"), head="name: T\ninclude: [more/b.yaml, more/c.yaml]\n")
    project.policy(
        claim("b"), name="more/b.yaml", head="name: Other\ninclude: c.yaml\nno_promise: [{sentence: x, why: y}]\n"
    )
    project.policy(claim("c"), name="more/c.yaml", head="")
    policy = project.load()
    assert [one.id for one in policy.claims] == ["a", "b", "c"]
    assert policy.name == "T"
    assert policy.no_promise == (("x", "y"),)
    assert policy.claims[2].file.endswith("more/c.yaml")


def test_an_included_file_only_adds(project, claim) -> None:
    project.policy(claim("a"), head="name: T\ninclude: b.yaml\n")
    project.policy(claim("b"), name="b.yaml", head="extends: policies.yaml\noverride: {}\nwaivers: w.yaml\n")
    assert [one.split(": ")[1].partition(";")[0] for one in project.mistakes()] == [
        "an included file has no 'extends'",
        "an included file has no 'override'",
        "an included file has no 'waivers'",
    ]


def test_files_that_go_in_a_circle_are_said(project, claim) -> None:
    project.policy(claim("a"), head="name: T\nextends: b.yaml\n")
    project.policy(claim("b"), name="b.yaml", head="extends: [policies.yaml]\n")
    (mistake,) = project.mistakes()
    assert mistake.startswith("b.yaml:2:11: the files refer to each other in a circle")


def test_a_missing_file_is_said_where_it_is_named_and_brings_no_other_mistakes(project, claim) -> None:
    project.write("bases.yaml", "x: 1")
    project.policy(
        claim("a", "decided_by: [b]"), head="name: T\nextends: base.yaml\noverride: {b: {tls.is_kept: {days: 1}}}\n"
    )
    project.write("waivers.yaml", "waivers: [{claim: b, reason: r, approver: a, expires: 2027-01-31}]")
    assert project.mistakes() == ["policies.yaml:3:10: base.yaml: the file does not exist; did you mean 'bases.yaml'?"]


def test_mistakes_of_all_files_are_said_at_once(project, claim) -> None:
    project.policy(claim("a", "x: 1"), head="name: T\ninclude: [b.yaml, c.yaml]\n")
    project.policy(claim("b", "checks: [tls.nothing]"), name="b.yaml", head="")
    project.write("c.yaml", "a: [")
    assert [one.partition(":")[0] for one in project.mistakes()] == ["policies.yaml", "b.yaml", "c.yaml"]


def test_a_claim_of_two_files_is_said_with_both_places(project, claim) -> None:
    project.policy(claim("a"), head="name: T\ninclude: b.yaml\n")
    project.policy(claim("a"), name="b.yaml", head="")
    assert project.mistakes() == [
        "b.yaml:3:9: two claims are called 'a': the first is at policies.yaml:5:9; expected a name of its own"
    ]


def test_a_long_chain_of_files_is_refused(project, claim) -> None:
    for index in range(60):
        project.policy(claim(f"c{index}"), name=f"p{index}.yaml", head=f"name: T\nextends: p{index + 1}.yaml\n")
    assert any("too many files" in one for one in project.mistakes("p0.yaml"))
    assert len(project.mistakes("p0.yaml")) == 1
