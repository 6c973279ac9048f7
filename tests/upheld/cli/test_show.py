"""`upheld list`, `explain`, `validate`: what stands, in words."""

from __future__ import annotations


def test_list_says_what_each_thing_needs(project):
    project.claims(("good", "own.holds"), ("bare", ""))
    out = project.upheld("list").stdout
    assert "good  own.holds" in out
    assert "bare  uncovered" in out
    assert "own.holds" in out
    assert "looks through clock" in out
    for probe in ("http", "tls", "api", "database", "logs", "clock", "publication"):
        assert f"\n  {probe} " in out


def test_explain_a_claim_and_a_check(project):
    project.claims(("good", "own.holds: {days: 5}"))
    claim = project.upheld("explain", "good").stdout
    assert "“Promise good.”" in claim
    assert '"days": 5' in claim
    check = project.upheld("explain", "own.holds").stdout
    assert "The thing is as it should be." in check
    assert "days: integer, default 3" in check
    assert "Decides claims: good" in check


def test_explain_an_unknown_name_suggests_one(project):
    project.claims(("good", "own.holds"))
    done = project.upheld("explain", "own.hold")
    assert done.returncode == 2
    assert "own.holds" in done.stderr


def test_validate_says_all_mistakes_of_policy_and_target_at_once(project):
    project.claims(("good", "own.hold"), ("also", "own.holdz"))
    (project.folder / "target.yaml").write_text("upheld: target/1\nname: x\nenvironment: stagign\n", encoding="utf-8")
    done = project.upheld("validate", "--target", "target.yaml")
    assert done.returncode == 2
    assert done.stderr.count("policies.yaml:") == 2
    assert "target.yaml:3:" in done.stderr
    assert "3 mistakes" in done.stderr


def test_a_check_that_is_allowed_by_a_wrong_name_is_a_mistake_before_anything_is_run(project):
    project.claims(("good", "own.holds"))
    (project.folder / "target.yaml").write_text(
        "upheld: target/1\nname: x\nenvironment: production\nallow_intrusive: [own.hold]\n", encoding="utf-8"
    )
    for command in (["validate"], ["run", "-n", "0"]):
        done = project.upheld(*command, "--target", "target.yaml")
        assert done.returncode == 2
        assert "target.yaml:4:19: no check is called 'own.hold'; did you mean 'own.holds'?" in done.stderr
        assert not list(project.folder.glob("**/run.json"))


def test_validate_a_good_project(project):
    project.claims(("good", "own.holds"))
    done = project.upheld("validate", "--target", "target.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("valid\n")


def test_what_a_file_holds_cannot_act_on_the_terminal(project):
    project.claims(("good", "own.holds"), extra=', decided_by: ["\u202eevil\u2028x"]')
    done = project.upheld("validate")
    assert done.returncode == 2
    assert "\\u202eevil" in done.stderr
    assert not {"\u202e", "\u2028", "\x1b"} & set(done.stdout + done.stderr)


def test_of_very_many_mistakes_the_first_are_shown(project):
    project.policy("claims: []\n" + "".join(f"k{number}: 1\n" for number in range(1000)))
    done = project.upheld("validate")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 202
    assert "and 801 more" in done.stderr
