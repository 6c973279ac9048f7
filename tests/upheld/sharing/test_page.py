"""A customer's page tells what the policy publishes and nothing else, counts all that it withholds, and dresses nothing up."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upheld.errors import InputError
from upheld.evidence.bundle import make as make_bundle
from upheld.model import Basis, Run, Status, Verdict
from upheld.reporting.headline import headline, notices
from upheld.reporting.text import safe
from upheld.sharing import html
from upheld.sharing.disclosing import Terms
from upheld.sharing.making import Made, make
from upheld.sharing.reasons import CLASSES, OTHER, class_of
from upheld.sharing.view import LONGEST
from upheld.target.model import Environment

from ..reporting import sample
from .runs import KEY, TERMS, Names, confidential, full, keyed, terms


def text_of(made: Made) -> str:
    """What a reader sees of the page, without its style and the part that machines read."""
    page, _ = html.taken_apart(made.page)
    body = re.sub(r"<style>.*?</style>", "", page.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def everything(made: Made) -> str:
    """All that leaves the house: the page, and what is decoded of the part that machines read."""
    from upheld.sharing import document

    _, part = html.taken_apart(made.page)
    return made.page.decode() + part.decode() + str(document.loads(part).payload())


@pytest.mark.parametrize("claims", [(), ("rates",), ("dark", "bare")])
@pytest.mark.parametrize("key", [KEY, None])
def test_no_internal_name_leaves_the_house(claims, key):
    names = Names()
    made = make(confidential(names), terms(*claims), key)
    told = everything(made)
    assert len(names.given) > 100
    assert [name for name in names.given if name in told] == []


@settings(max_examples=60)
@given(data=st.data())
def test_no_internal_text_leaves_the_house_whatever_it_is(data):
    """Any text in any field that no policy publishes: none of it is in the page or in the part that machines read."""
    word = data.draw(st.text(st.characters(min_codepoint=0x100, max_codepoint=0x24F), min_size=3, max_size=12))
    secret = f"{word}§{word}"
    run = keyed(sample.hostile(secret))
    published = tuple(
        dataclasses.replace(one, id=f"c{number}", statement="S.", section="S", references={}, decided_by=())
        for number, one in enumerate(run.claims)
    )
    checks = [dataclasses.replace(check, calibrated=False) for check in published[0].checks]
    hidden = dataclasses.replace(published[0], checks=tuple(checks))
    made = make(dataclasses.replace(run, policy="P", claims=(hidden, *published[1:])), TERMS, KEY)
    assert secret not in everything(made)


def statuses() -> st.SearchStrategy[list[Status]]:
    return st.lists(st.sampled_from(Status), max_size=8)


@settings(max_examples=60)
@given(statuses(), st.sets(st.integers(0, 7)))
def test_statuses_are_counted_whatever_is_left_out(found, wanted):
    run = keyed(sample.run(*(sample.claim(one, id=f"c{number}") for number, one in enumerate(found))))
    claims = tuple(f"c{number}" for number in sorted(wanted) if number < len(found))
    made = make(run, terms(*claims), KEY)
    said = text_of(made)
    for status in Status:
        assert f" {found.count(status)} {status.value} " in said
    assert made.view.headline == headline(run)
    hidden = [one for number, one in enumerate(found) if claims and f"c{number}" not in claims]
    assert made.view.withheld == len(hidden)
    assert f"{len(found) - len(hidden)} shown and {len(hidden)} withheld" in said
    for status in set(hidden):
        assert re.search(
            rf"Not shown here, but counted in every number on this page: [^.]*\b{hidden.count(status)} {status}", said
        )


def test_what_is_refuted_stands_first_and_is_called_so():
    said = text_of(make(full(), TERMS, KEY))
    order = [
        said.index(title)
        for title in ("What does not hold", "What is not decided", "What somebody vouches", "What holds (")
    ]
    assert order == sorted(order)
    refuted = said[order[0] : order[1]]
    assert "Rate limiting and abuse detection on all public-facing endpoints refuted" in refuted
    assert "At least one check found that the claim does not hold. 2 findings failed." in refuted
    assert "6 findings: 2 failed, 4 passed; 6 of 7 subjects judged" in refuted
    assert "waived" not in said.lower()


def test_a_claim_tells_basis_dates_checks_and_calibration():
    run = full()
    tls = dataclasses.replace(run.claims[0], sabotages_seeded=("tls-1.0-accepted", "weak-cipher", "no-forward-secrecy"))
    said = text_of(make(dataclasses.replace(run, claims=(tls, *run.claims[1:])), TERMS, KEY))
    assert "known as observed caught 2 of 3 seeded defects SOC 2 CC6.7" in said
    assert "Every public endpoint refuses TLS versions older than minimum" in said
    assert "6 findings: 6 passed" in said
    assert "2026-03-02" in said
    assert "Not observed, by class of reason: it was not described to the audit (1)." in said


def test_a_check_that_is_not_calibrated_tells_no_words_of_its_own():
    said = text_of(make(full(), TERMS, KEY))
    assert "Every access review took place" not in said
    assert "A check of the issuer's own, whose words are withheld." in said
    assert "not calibrated: nothing shows yet that it can fail" in said


def test_claims_that_decide_a_shown_one_are_shown_too():
    run = keyed(
        sample.run(
            sample.claim(Status.REFUTED, id="part", statement="The part."),
            sample.claim(Status.REFUTED, id="whole", statement="The whole.", checks=(), decided_by=("part",)),
            sample.claim(id="other", statement="Another one."),
        )
    )
    said = text_of(make(run, terms("whole"), KEY))
    assert "The part." in said
    assert "Another one." not in said
    assert "Decided by 1 other claim, of which the worst counts." in said


def test_every_caveat_of_the_internal_report_has_one_here():
    run = full()
    worst = dataclasses.replace(
        run,
        complete=False,
        planned=run.planned + 1,
        target=dataclasses.replace(run.target, sabotages=("a", "b"), samples=("host facts of db-1",)),
        selected=("transit-tls12",),
        waivers=(dataclasses.replace(run.waivers[0], expired=True),),
        notes=("a note",),
    )
    mine = make(worst, TERMS, KEY).view.notices
    assert len(mine) >= len(notices(worst)) == 9
    said = " ".join(mine)
    for words in (
        "did not complete",
        "7 checks planned, but 6 results",
        "2 defects put in on purpose",
        "only a selection",
        "stand in for 1 thing",
        "1 of 6 checks not calibrated",
        "1 waiver",
        "1 parameter",
        "1 note",
    ):
        assert words in said
    assert make(worst, TERMS, KEY).view.headline.text.startswith("Selected claims only: incomplete run: 1 of 3 decided")


@pytest.mark.parametrize("environment", [*(one.value for one in Environment), "db-1.internal"])
def test_an_environment_that_is_not_production_is_said_to_be_none(environment):
    run = full()
    made = make(dataclasses.replace(run, target=dataclasses.replace(run.target, environment=environment)), TERMS, KEY)
    assert any("not production" in one for one in made.view.notices) == (environment != "production")
    assert made.view.environment == (environment if environment in set(Environment) else "undeclared")


@pytest.mark.parametrize("words", sample.HOSTILE.values(), ids=sample.HOSTILE)
def test_hostile_text_stays_text(words):
    made = make(keyed(sample.hostile(words)), TERMS, None)
    page = made.page.decode()
    assert re.findall(r"<(script|img|h1|iframe)\b", page) == ["h1"]
    assert page.count("<style>") == page.count("</style>") == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", page)
    assert " onmouseover='" not in re.sub(r">[^<]*<", "><", page)
    assert re.sub(r"\s+", " ", safe(words, LONGEST)).strip() in text_of(made) or "<" in words


def test_the_page_names_its_reader_and_its_end():
    made = make(full(), TERMS, KEY)
    said = text_of(made)
    assert made.page.decode().count('data-mark="For Acme Bank plc · 2026-03-03"') == 3
    assert "Good until 2026-06-01" in said
    assert KEY.fingerprint in said
    assert made.view.root in said
    assert "Nobody signed this page" not in said
    assert "Nobody signed this page" in text_of(make(full(), TERMS, None))


def test_the_same_run_and_terms_give_the_same_bytes():
    for key in (KEY, None):
        assert make(full(), TERMS, key) == make(full(), TERMS, key)
    assert make(full(), TERMS, KEY).page != make(full(), terms(audience="Other Ltd"), KEY).page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audience": " "}, "names nobody"),
        ({"audience": "a\u202eb"}, "names nobody"),
        ({"audience": "x" * 121}, "names nobody"),
        ({"expires": date(2026, 3, 2)}, "is over already"),
    ],
)
def test_terms_that_cannot_be_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        Terms(**({"audience": "A", "day": TERMS.day, "expires": TERMS.expires} | changes))


def test_what_an_audit_found_is_not_good_for_ever():
    assert make(full(), terms(expires=date(2027, 3, 3)), KEY).view.expires == "2027-03-03"
    with pytest.raises(
        InputError, match="too long after the audit for what it found; got 2027-03-04; expected 2027-03-03 or"
    ):
        make(full(), terms(expires=date(2027, 3, 4)), KEY)


def test_a_claim_that_is_not_in_the_run_is_refused():
    with pytest.raises(InputError, match=r"no such claim; got 'rate-limit'; did you mean 'rate-limits'"):
        make(full(), terms("rate-limit"), KEY)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("db-1: no answer within 10 s", "no answer came in time"),
        ("connection refused by 10.0.0.1:443", "a connection, a login or a read was refused"),
        ("the target describes no database", "it was not described to the audit"),
        ("semgrep is not installed: pip install semgrep", "an instrument was missing"),
        ("the forge's rate limit stands in the way of /repos", "a limit on requests stood in the way"),
        ("planned, and never reported", "the run ended before it was looked at"),
        ("the database (worker's role): table name x specified more than once", OTHER),
        ("the target is not available: limits.rate is 429", "what was to be audited could not be reached as a whole"),
        ("the certificate of status (s:1) is not accepted: self-signed", "no trusted connection to it could be made"),
        ("registering it answered 503", "an answer came that decides nothing"),
        ("sending it answered 429", "a limit on requests stood in the way"),
        ("messages: a row holds 9 bytes, and no more than 5 are read", "it was too large to be read"),
        ("the table is larger than 8 MiB", "it was too large to be read"),
        ("/etc/passwd cannot be read: EIO", "it could not be read"),
        ("something odd at db-1", OTHER),
        ("", OTHER),
    ],
)
def test_a_reason_is_told_by_its_class(reason, told):
    assert class_of(reason) == told
    assert told in CLASSES


@given(st.text())
def test_the_class_of_any_reason_is_one_of_the_fixed_ones(reason):
    assert class_of(reason) in CLASSES


def test_an_attested_pass_never_looks_upheld():
    check = sample.check(basis=Basis.ATTESTED)
    run = keyed(sample.run(sample.claim(Status.ATTESTED, check)))
    (group,) = make(run, TERMS, KEY).view.groups
    shown = group.sections[0].claims[0]
    assert (shown.status, shown.checks[0].result, shown.checks[0].tone) == (
        Status.ATTESTED,
        "attested",
        Status.ATTESTED,
    )


def test_checks_of_a_claim_stand_worst_first():
    run = keyed(
        sample.run(
            sample.claim(Status.REFUTED, sample.check(), sample.check(Verdict.FAIL), sample.check(Verdict.INCONCLUSIVE))
        )
    )
    (group,) = make(run, TERMS, KEY).view.groups
    assert [one.result for one in group.sections[0].claims[0].checks] == ["failed", "inconclusive", "passed"]


def test_a_share_has_the_tree_of_the_bundle(tmp_path):
    from upheld.evidence import statements
    from upheld.evidence.container import unpack

    run: Run = dataclasses.replace(
        full(),
        policy_digest=_digest_of(given := {"policy/000-p.yaml": b"x", "target.json": b"{}", "calibration.json": b"{}"}),
    )
    parts = unpack(make_bundle(run, given, KEY))
    sealed = statements.unseal(parts["statements/run.dsse.json"].content(), "run")
    from .runs import ISSUERS

    _, said = sealed.opened(ISSUERS)
    assert said["predicate"]["tree"]["root"] == make(run, TERMS, KEY).view.root


def _digest_of(given: dict[str, bytes]) -> str:
    from upheld.evidence.inputs import policy_digest

    return policy_digest(given)
