"""A share that was changed in any place, signed by another, or is past its day does not verify, and what is told adds up."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence_runs import recorded
from upheld.cli.main import cli
from upheld.evidence import inputs, statements
from upheld.evidence.bundle import make as make_bundle
from upheld.evidence.keys import Issuer, SigningKey
from upheld.evidence.verifying import verify_data
from upheld.keeping import standing
from upheld.reporting import run_json
from upheld.sharing import document, html
from upheld.sharing.disclosing import audited, disclose
from upheld.sharing.making import make
from upheld.sharing.verifying import compare, verify

from .runs import ISSUERS, KEY, TERMS, fresh, full, terms

NOW = datetime(2026, 4, 1, tzinfo=UTC)
OTHER = SigningKey(Ed25519PrivateKey.from_private_bytes(b"o" * 32))


@pytest.fixture(scope="module")
def made():
    return make(full(), terms("rate-limits"), KEY)


def said(data: bytes, issuers=ISSUERS, now=NOW) -> str:
    """What does not hold."""
    found = verify(data, issuers, now=now)
    flaws = [point.says for point in found.points if point.holds is not True]
    assert found.holds == (not flaws)
    return "; ".join(flaws)


@pytest.mark.parametrize("part", ["page", "part"])
def test_what_was_made_holds(made, part):
    found = verify(getattr(made, part), ISSUERS, now=NOW)
    assert found.holds, found.points
    assert found.predicate["withheld"]["upheld"] == 2


def test_any_changed_byte_of_the_page_is_seen(made):
    places = random.Random(7).sample(range(len(made.page)), 400)
    for place in places:
        changed = bytearray(made.page)
        changed[place] ^= 1 << place % 8
        assert said(bytes(changed)), place


@pytest.mark.exhaustive
def test_any_changed_bit_of_many_is_seen(made):
    random.seed(11)
    for _ in range(5_000):
        changed = bytearray(made.page)
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        assert said(bytes(changed))


@settings(max_examples=80)
@given(st.sampled_from([b"", b"{", b"%PDF-1.7\n", b'href="data:application/json;base64,']), st.binary(max_size=200))
def test_whatever_it_is_given_it_says_no_and_never_breaks(head, rest):
    assert said(head + rest)


@settings(max_examples=80)
@given(st.data())
def test_a_statement_of_any_shape_that_the_issuer_signed_never_breaks_it(data):
    told = disclose(full(), terms("rate-limits"), KEY)
    predicate = json.loads(json.dumps(told.predicate))
    names = st.sampled_from(sorted(predicate))
    anything = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=2))
    name = data.draw(names.filter(lambda one: one not in {"tree", "format"}))
    value = data.draw(anything)
    whole = predicate[name]
    if isinstance(whole, dict) and data.draw(st.booleans()):
        whole[data.draw(st.sampled_from(sorted(whole)))] = value
    else:
        predicate[name] = value
    verify(document.seal(dataclasses.replace(told, predicate=predicate), "0" * 64, KEY), ISSUERS, now=NOW)


def test_a_page_that_says_something_nicer_is_seen(made):
    assert said(made.page.replace(b"1 of 3 decided claims refuted", b"0 of 3 decided claims refuted"))
    assert "not the one that is signed for" in said(made.page.replace(b"</main>", b"<p>ok</p></main>"))
    for cut in (b"", made.page[:1000], made.page[:-1], made.part[:-1], b"{}", b"[]", b"{" * 10_000):
        assert said(cut)


def test_another_key_or_none_does_not_count(made):
    assert "not signed with a key that you named" in said(made.page, [Issuer(OTHER.private.public_key())])
    assert "nobody signed it" in said(make(full(), TERMS, None).page)


def test_a_share_is_good_until_the_end_of_its_day(made):
    assert said(made.page, now=datetime(2026, 6, 1, 23, 59, 58, tzinfo=UTC)) == ""
    assert "expired on 2026-06-01" in said(made.page, now=datetime(2026, 6, 2, tzinfo=UTC))


def test_an_issuer_key_that_expired_does_not_count(made):
    old = dataclasses.replace(ISSUERS[0], valid_before=datetime(2026, 3, 15, tzinfo=UTC))
    assert "the key expired" in said(made.page, [old])


def test_a_part_of_another_share_is_seen(made):
    page, _ = html.taken_apart(made.page)
    other = make(full(), terms(audience="Other Ltd"), KEY)
    assert "not the one that is signed for" in said(html.with_part(page, other.part))


def changed(made, change) -> bytes:
    value = json.loads(made.part)
    change(value)
    return document.compact(value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["opened"].pop(), "neither told nor withheld"),
        (lambda v: v["withheld"].pop(), "neither told nor withheld"),
        (lambda v: v["opened"].append(v["opened"][0]), "told twice"),
        (lambda v: v["withheld"][0].__setitem__(2, "0" * 64), "do not lead to the root"),
        (lambda v: v["opened"][0].__setitem__(1, "0" * 64), "do not lead to the root"),
        (lambda v: v["opened"][0].__setitem__(2, v["opened"][0][2].replace("refuted", "upheld")), "do not lead to"),
        (lambda v: v["opened"][0].__setitem__(0, True), "not of the format"),
        (lambda v: v["opened"][0].__setitem__(0, -1), "not of the format"),
        (lambda v: v.__setitem__("more", 1), "not of the format"),
        (lambda v: v.__setitem__("envelope", []), "not of the format"),
        (lambda v: v["envelope"].__setitem__("payload", base64.b64encode(b"{}").decode()), "not signed with a key"),
    ],
)
def test_a_changed_tree_is_seen(made, change, words):
    assert words in said(changed(made, change))


def signed_anew(predicate_change) -> bytes:
    """A share that the issuer itself signed, with other numbers."""
    told = disclose(full(), terms("rate-limits"), KEY)
    predicate = json.loads(json.dumps(told.predicate))
    predicate_change(predicate)
    return document.seal(dataclasses.replace(told, predicate=predicate), "0" * 64, KEY)


def moved(predicate) -> None:
    """The refuted claim is called upheld, everywhere in the statement."""
    for name in ("claims", "shown"):
        predicate[name]["refuted"] -= 1
        predicate[name]["upheld"] += 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (moved, "1 refuted claims are told, and 0 signed for"),
        (lambda p: p["claims"].__setitem__("refuted", 0), "do not add up"),
        (
            lambda p: (p["claims"].__setitem__("lapsed", 0), p["withheld"].__setitem__("lapsed", 0)),
            "another number of claims",
        ),
        (lambda p: p["tree"]["kinds"].__setitem__("claim", 9), "not as many as the tree has"),
        (lambda p: p["told"].clear(), "of other claims than are shown"),
        (lambda p: p["tree"].__setitem__("kinds", []), "not shaped like a share"),
        (lambda p: p.__setitem__("expires", "soon"), "not shaped like a share"),
        (lambda p: p.__setitem__("format", "upheld-share/2"), "no statement of the format"),
    ],
)
def test_numbers_that_do_not_fit_are_seen_whoever_signed_them(change, words):
    assert words in said(signed_anew(change))


def test_a_claim_that_is_better_than_its_checks_is_seen():
    run = full()
    dressed = dataclasses.replace(run.claims[2], status=run.claims[0].status)
    made = make(dataclasses.replace(run, claims=(*run.claims[:2], dressed, *run.claims[3:])), TERMS, KEY)
    assert "a claim is told to be better than its checks: upheld" in said(made.part)


def test_a_bundle_is_no_share():
    envelope = json.loads(statements.seal({**_statement(), "predicateType": statements.RUN_PREDICATE}, KEY))
    assert "no statement of the format" in said(document.dumps(document.Share(envelope, (), ())))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A run of a stranger's own checks, which `upheld run` made, and its bundle."""
    folder = recorded(tmp_path_factory.mktemp("share") / "project").run
    run = standing(folder)
    return run, make_bundle(run, inputs.kept(folder), KEY)


def compared(run, whole) -> str:
    found = verify(make(run, terms("good", expires=audited(run) + timedelta(days=2)), KEY).page, ISSUERS)
    assert found.holds, found.points
    compare(found, whole)
    return "; ".join(point.says for point in found.points if not point.holds)


def test_a_share_is_compared_with_the_bundle_of_its_run(recording, tmp_path):
    run, data = recording
    whole = verify_data(data, ISSUERS)
    assert whole.holds
    assert compared(run, whole) == ""
    other = dataclasses.replace(run, id="another")
    assert (
        compared(other, whole)
        == "the root of the tree: the bundle has another one; the run: the bundle has another one"
    )
    hidden = dataclasses.replace(
        run, claims=tuple(one for one in run.claims if one.id != "bad"), planned=run.planned - 2
    )
    assert "the numbers of claims: the bundle has another one" in compared(hidden, whole)
    assert "does not hold by itself" in compared(run, verify_data(data[:-1], ISSUERS))


def test_a_share_of_a_real_run_tells_no_name_of_it(recording):
    run, _ = recording
    made = make(run, terms(expires=audited(run) + timedelta(days=2)), KEY)
    told = made.page.decode() + made.part.decode() + str(document.loads(made.part).payload())
    assert "Promise bad." in told
    assert "db-7.internal" in str(run)
    for name in (
        "db-7.internal",
        "thing 1",
        "the other thing",
        "nothing much",
        "is_broken",
        "connection refused by it",
    ):
        assert name not in told


def _statement():
    return document.statement(disclose(full(), TERMS, KEY), "0" * 64)


def test_the_commands(tmp_path):
    run_json.write(fresh(), tmp_path / "run" / "run.json")
    (tmp_path / "key").write_bytes(KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "pub").write_bytes(
        KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )

    def invoke(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments])

    out = tmp_path / "out"
    done = invoke(
        "share",
        tmp_path / "run",
        "--audience",
        "Acme",
        "--claims",
        "rate-limits",
        "--key",
        tmp_path / "key",
        "--out",
        out,
    )
    assert done.exit_code == 0, done.output
    assert "1 of 3 decided claims refuted" in done.output
    checked = invoke("verify-share", out / "share.html", "--issuer", tmp_path / "pub")
    assert checked.exit_code == 0, checked.output
    assert "it says to Acme: 1 of 3 decided claims refuted, 2 upheld; 2 inconclusive; 1 lapsed; " in checked.output
    assert "9 are withheld and counted" in checked.output
    assert "  1 of 6 checks not calibrated: nothing shows yet that they can fail." in checked.output
    assert checked.output.endswith("it holds\n")
    unsigned = invoke("share", tmp_path / "run", "--audience", "Acme", "--out", tmp_path / "page.html")
    assert "NOT signed" in unsigned.output
    refused = invoke("verify-share", tmp_path / "page.html", "--issuer", tmp_path / "pub")
    assert refused.exit_code == 1
    assert refused.output.endswith("it does NOT hold: do not rely on it\n")
    late = invoke("share", tmp_path / "run", "--audience", "Acme", "--out", out, "--expires", "2020-01-01")
    assert "is over already" in str(late.exception)
