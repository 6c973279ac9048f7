"""What a fleet comes to: nothing that was not observed looks held, and no defect hides behind another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from upheld.fleet.summary import FEWEST, Summary, outliers, summarise
from upheld.model import Severity, Status, Verdict, Waiver

from ..reporting import sample
from . import told
from .told import claims, failing, fleet, refuted

U, R, A, L, N = Status.UPHELD, Status.REFUTED, Status.ATTESTED, Status.LAPSED, Status.UNCOVERED
DARK = Status.INCONCLUSIVE


def of(folder: Path, runs, policies=None, hosts=None, **changes) -> Summary:
    return summarise(fleet(folder, runs, policies, **changes), folder, hosts)


def names(summary: Summary) -> list[str]:
    return [line.name for line in summary.lines]


def grouped(summary: Summary) -> dict[tuple[str, str], list[str]]:
    return {(one.claim, one.subject): [each.target for each in one.on] for one in summary.groups}


def test_a_target_without_a_run_is_not_observed_in_any_claim(tmp_path: Path) -> None:
    summary = of(tmp_path, {"good": claims(a=U, b=U), "lost": "its worker died three times"})
    lost = next(line for line in summary.lines if line.name == "lost")
    assert (lost.ran, lost.worst, lost.statuses) == (False, None, {"a": None, "b": None})
    (unseen,) = summary.unseen
    assert (unseen.reason, unseen.claims, unseen.targets) == ("its worker died three times", (), ("lost",))
    assert names(summary) == ["lost", "good"]


def test_a_run_that_cannot_be_read_or_is_another_is_not_observed(tmp_path: Path) -> None:
    run = fleet(tmp_path, {name: claims(a=U) for name in ("torn", "gone", "other", "outside")})
    (tmp_path / "targets/0/run.json").write_bytes(b'{"format": "upheld-run/1", ')
    (tmp_path / "targets/1/run.json").unlink()
    members = list(run.members)
    members[2] = dataclasses.replace(members[2], run="run-77")
    members[3] = dataclasses.replace(members[3], folder="../elsewhere")
    summary = summarise(dataclasses.replace(run, members=tuple(members)), tmp_path)
    assert {line.worst for line in summary.lines} == {None}
    reasons = {one.targets[0]: one.reason for one in summary.unseen}
    assert "Invalid JSON" in reasons["torn"]
    assert "cannot be read" in reasons["gone"]
    assert reasons["other"] == "its run.json is of another run"
    assert reasons["outside"] == "its reports lie outside of the fleet's folder"


def test_claims_that_a_run_left_out_are_not_observed_there(tmp_path: Path) -> None:
    part = sample.run(*claims(a=U), selected=("a",))
    summary = of(tmp_path, {"whole": claims(a=U, b=U), "part": part})
    line = next(one for one in summary.lines if one.name == "part")
    assert line.statuses == {"a": U, "b": None}
    assert (line.worst, line.selected) == (None, 1)


def test_every_status_is_kept_and_the_worst_target_stands_first(tmp_path: Path) -> None:
    runs = {"held": claims(a=U), "sworn": claims(a=A), "late": claims(a=L), "dark": claims(a=DARK), "bare": claims(a=N)}
    broken = {"bad": claims(a=R), "gone": "no budget"}
    summary = of(tmp_path, {**runs, **broken})
    assert {line.name: line.worst for line in summary.lines} == {
        "bad": R, "gone": None, "dark": DARK, "late": L, "bare": N, "sworn": A, "held": U,
    }  # fmt: skip
    assert names(summary)[:3] == ["bad", "gone", "dark"]
    (claim,) = summary.policies[0].claims
    assert claim.counts == {R: 1, None: 1, DARK: 1, L: 1, N: 1, A: 1, U: 1}


def test_severity_weighs_more_than_number(tmp_path: Path) -> None:
    light = [dataclasses.replace(one, severity=Severity.LOW) for one in claims(a=R, b=R, c=R)]
    grave = [dataclasses.replace(one, severity=Severity.LOW) for one in claims(a=U, b=U, c=U)]
    summary = of(tmp_path, {"many": (*light, *claims(d=U)), "grave": (*grave, *claims(d=R))})
    assert names(summary) == ["grave", "many"]
    assert [one.id for one in summary.policies[0].claims][:1] == ["d"]


def test_the_same_defect_over_targets_is_one_and_names_all_of_them(tmp_path: Path) -> None:
    names_ = [f"t{number}" for number in range(7)]
    hosts = {name: {f"api.{name}.example", f"www.{name}.example"} for name in names_}
    runs = {name: (refuted(f"api (api.{name}.example:443) TLS 1.0", f"row {number:012x}0"),) for number, name in enumerate(names_)}  # fmt: skip
    summary = of(tmp_path, runs, hosts=hosts)
    (group,) = summary.groups
    assert (group.subject, group.observed) == ("api (api.‹domain›:443) TLS 1.0", "row ‹id›")
    assert sorted(one.target for one in group.on) == names_
    assert group.on[0].subject == f"api (api.{group.on[0].target}.example:443) TLS 1.0"
    # Nothing is guessed: without the hosts each names its own.
    assert len(summarise(fleet(tmp_path, runs), tmp_path).groups) == 7


def test_different_defects_of_one_claim_never_fall_together(tmp_path: Path) -> None:
    runs = {
        "base": (refuted("api", "answered 200"),),
        "subject": (refuted("app", "answered 200"),),
        "observed": (refuted("api", "answered 500"),),
        "claim": (refuted("api", "answered 200", claim="other"),),
        "check": (refuted("api", "answered 200", id="tls.other"),),
        "parameter": (refuted("api", "answered 200", parameters={"minimum": "TLS 1.3"}),),
        "policy": (refuted("api", "answered 200"),),
        "twin": (refuted("api", "answered 200"),),
    }
    summary = of(tmp_path, runs, {"policy": "other.yaml"})
    assert sorted([one.target for one in group.on] for group in summary.groups) == [
        ["base", "twin"], ["check"], ["claim"], ["observed"], ["parameter"], ["policy"], ["subject"],
    ]  # fmt: skip


def test_a_text_cannot_be_split_so_that_it_reads_like_another(tmp_path: Path) -> None:
    runs = {"one": (refuted('a", "b', "c"),), "two": (refuted("a", 'b", "c'),), "nul": (refuted("a\0b", "c"),)}
    assert len(of(tmp_path, runs).groups) == 3


def test_groups_are_ordered_by_severity_times_targets_and_every_finding_counts(tmp_path: Path) -> None:
    def target(*parts: str) -> tuple:
        found = {"low": refuted("l", claim="low"), "grave": refuted("g", claim="grave")}
        return tuple(dataclasses.replace(found[one], severity=Severity.LOW if one == "low" else Severity.CRITICAL) for one in parts)  # fmt: skip

    runs = {f"t{number}": target("low", *(["grave"] if number == 0 else [])) for number in range(7)}
    summary = of(tmp_path, runs)
    assert [(one.claim, one.score) for one in summary.groups] == [("grave", 8), ("low", 7)]


def test_findings_of_one_target_that_are_the_same_are_counted(tmp_path: Path) -> None:
    found = [sample.finding(Verdict.FAIL, f"build {number:013x}a", observed="no scan") for number in range(3)]
    check = sample.check(Verdict.FAIL, *found)
    waiver = Waiver("tls", "later", "someone", "2030-01-01", subject=found[0].subject)
    summary = of(tmp_path, {"t": (sample.claim(R, check, id="tls", waivers=(waiver,)),)})
    (group,) = summary.groups
    assert [(one.findings, one.waived) for one in group.on] == [(3, 1)]
    assert summary.lines[0].worst is R


def test_a_waiver_that_has_lapsed_since_the_run_counts_for_nothing(tmp_path: Path) -> None:
    for number, (expires, waived) in enumerate({"2026-03-02": 1, "2026-03-01": 0, "later": 0}.items()):
        waiver = Waiver("tls", "later", "someone", expires)
        found = sample.claim(R, failing("x"), id="tls", waivers=(waiver,))
        (group,) = of(tmp_path / str(number), {"t": (found,)}).groups
        assert group.on[0].waived == waived, expires


def test_a_check_that_failed_without_a_finding_is_a_defect_too(tmp_path: Path) -> None:
    check = dataclasses.replace(failing("x"), findings=(), reason="it says so")
    (group,) = of(tmp_path, {"t": (sample.claim(R, check, id="tls"),)}).groups
    assert (group.subject, group.observed) == ("", "it says so")


def test_reasons_of_what_was_not_seen_are_grouped_even_where_the_claim_is_refuted(tmp_path: Path) -> None:
    dark = sample.check(Verdict.INCONCLUSIVE, sample.finding(Verdict.INCONCLUSIVE, reason="refused after 3 s"))
    later = sample.check(Verdict.INCONCLUSIVE, sample.finding(Verdict.INCONCLUSIVE, reason="refused after 9 s"))
    both = sample.claim(R, failing("x"), dark, id="a")
    summary = of(tmp_path, {"one": (both,), "two": (sample.claim(DARK, later, id="b"),)})
    (unseen,) = summary.unseen
    assert (unseen.reason, unseen.claims, unseen.targets) == ("refused after ‹n› s", ("a", "b"), ("one", "two"))


def test_a_target_that_alone_breaks_what_the_others_uphold_is_out_of_line(tmp_path: Path) -> None:
    runs = {f"t{number:02}": claims(a=U, b=R if number < 9 else U) for number in range(18)}
    runs["odd"] = claims(a=R, b=R)
    runs["blind"] = claims(a=DARK, b=U)
    summary = of(tmp_path, runs)
    (odd,) = outliers(summary.lines)
    assert odd.name == "odd"
    (one,) = odd.departures  # Half of the others break b as well.
    assert (one.claim, one.status, one.upheld, one.others) == ("a", R, 18, 18)
    blind = next(line for line in summary.lines if line.name == "blind")
    assert [(one.claim, one.status) for one in blind.departures] == [("a", DARK)]


def test_nobody_is_out_of_line_with_few_with_strangers_or_with_what_nobody_saw(tmp_path: Path) -> None:
    few = {f"t{number}": claims(a=U) for number in range(FEWEST - 1)}
    assert not list(outliers(of(tmp_path / "1", {**few, "odd": claims(a=R)}).lines))
    many = {f"t{number}": claims(a=U) for number in range(9)}
    apart = of(tmp_path / "2", {**many, "odd": claims(a=R)}, {"odd": "other.yaml"})
    assert not list(outliers(apart.lines))
    assert [part.name for part in apart.policies] == ["policies.yaml", "other.yaml"]
    unseen = {f"t{number}": "no answer" for number in range(9)}
    assert not list(outliers(of(tmp_path / "3", {**unseen, "odd": claims(a=R)}).lines))
    sworn = {f"t{number}": claims(a=A) for number in range(9)}
    assert not list(outliers(of(tmp_path / "4", {**sworn, "odd": claims(a=R)}).lines))


def test_exactly_nine_of_ten_others_are_enough_and_one_less_is_not(tmp_path: Path) -> None:
    for refuting, out in ((1, True), (2, False)):
        runs = {f"t{number}": claims(a=R if number < refuting else U) for number in range(10)}
        found = list(outliers(of(tmp_path / str(refuting), {**runs, "odd": claims(a=R)}).lines))
        assert ("odd" in [line.name for line in found]) is out


def test_who_is_alone_with_a_defect_stands_before_those_who_share_theirs(tmp_path: Path) -> None:
    runs = {f"t{number:02}": claims(a=R if number in {3, 4} else U, b=R if number == 9 else U) for number in range(40)}
    assert [line.name for line in outliers(of(tmp_path, runs).lines)] == ["t09", "t03", "t04"]


def test_runs_that_broke_off_say_so(tmp_path: Path) -> None:
    broken_off = sample.run(*claims(a=U), complete=False)
    lines = {line.name: line for line in of(tmp_path, {"cut": broken_off, "held": claims(a=U)}).lines}
    assert (lines["cut"].whole, lines["held"].whole) == (False, True)


def test_a_fleet_of_nothing_is_a_summary_of_nothing(tmp_path: Path) -> None:
    summary = of(tmp_path, {})
    assert (summary.lines, summary.groups, summary.unseen) == ((), (), ())
    assert summary.run.started == told.STAMP
