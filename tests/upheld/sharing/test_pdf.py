"""The PDF says what the page says, is signed over all of it, and withholds the same."""

from __future__ import annotations

import dataclasses
import io
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from upheld.cli.main import cli
from upheld.errors import InputError
from upheld.evidence.container import Damaged
from upheld.evidence.keys import Issuer, SigningKey
from upheld.reporting import run_json
from upheld.reporting.text import safe
from upheld.sharing import document, pdf
from upheld.sharing.making import make, make_pdf
from upheld.sharing.verifying import verify
from upheld.sharing.view import LONGEST

from ..reporting import sample
from .runs import ISSUERS, KEY, TERMS, Names, confidential, fresh, full, keyed, terms

signing = pytest.importorskip("upheld.sharing.signing", reason="pyHanko is not installed")
pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
pytest.importorskip("typst", reason="typst is not installed")

NOW = datetime(2026, 4, 1, tzinfo=UTC)
P256 = SigningKey(derive_private_key(7, SECP256R1()))


@pytest.fixture(scope="module")
def made():
    return make(full(), terms("rate-limits"), KEY)


@pytest.fixture(scope="module")
def signed(made):
    return make_pdf(made, KEY)


def text_of(data: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def said(data: bytes, issuers=ISSUERS, now=NOW) -> str:
    found = verify(data, issuers, now=now)
    flaws = [point.says for point in found.points if point.holds is not True]
    assert found.holds == (not flaws)
    return "; ".join(flaws)


@pytest.mark.parametrize("key", [KEY, P256], ids=["ed25519", "p256"])
def test_the_signature_is_found_good_by_pyhanko_itself(key):
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    data = make_pdf(make(full(), TERMS, key), key)
    (embedded,) = PdfFileReader(io.BytesIO(data)).embedded_signatures
    context = ValidationContext(trust_roots=[embedded.signer_cert], moment=NOW)
    status = validate_pdf_signature(embedded, signer_validation_context=context)
    assert status.bottom_line, status.pretty_print_details()
    assert status.coverage.name == "ENTIRE_FILE"
    assert embedded.sig_object["/M"] == "D:20260303000000Z"
    assert said(data, [Issuer(key.private.public_key())]) == ""


def test_the_part_that_machines_read_is_the_one_of_the_page(made, signed):
    assert signing.attached(signed, pdf.ATTACHED) == made.part
    assert pypdf.PdfReader(io.BytesIO(signed)).attachments[pdf.ATTACHED] == [made.part]
    found = verify(signed, ISSUERS, now=NOW)
    assert found.holds
    assert "over the whole file" in found.points[0].says


def test_it_says_it_is_of_pdf_a_and_of_pdf_ua(signed):
    metadata = pypdf.PdfReader(io.BytesIO(signed)).xmp_metadata.stream.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata


def test_it_counts_every_status_and_shows_what_is_refuted_first(signed):
    words = text_of(make_pdf(make(full(), TERMS, KEY), KEY))
    order = [words.index(title) for title in ("What does not hold (1)", "What is not decided (6)", "What holds (2)")]
    assert order == sorted(order)
    assert "At least one check found that the claim does not hold. 2 findings failed." in words
    hidden = text_of(signed)
    assert "1 of 3 decided claims refuted, 2 upheld; 2 inconclusive; 1 lapsed; 1 attested; 3 not yet covered" in hidden
    assert (
        "10 claims in all, 1 shown and 9 withheld (2 inconclusive, 1 lapsed, 3 uncovered, 1 attested, 2 upheld)"
        in hidden
    )
    assert hidden.count("For Acme Bank plc · 2026-03-03") >= 4
    assert "For Acme Bank plc · shared 2026-03-03 · good until 2026-06-01" in hidden


@pytest.mark.parametrize("claims", [(), ("bare",)])
def test_no_internal_name_is_in_it(claims):
    names = Names()
    made = make(confidential(names), terms(*claims), KEY)
    data = make_pdf(made, KEY)
    told = text_of(data) + data.decode("latin-1") + made.part.decode() + str(document.loads(made.part).payload())
    # A name may be broken over two lines.
    squeezed = told.replace(" ", "")
    assert [name for name in names.given if name in told or name in squeezed] == []


def test_hostile_text_and_words_of_typst_stay_text():
    markup = {
        "panic": '#panic("x")',
        "emphasis": "*bold* _it_ $x$ @ref <label>",
        "heading": "= Heading",
        "quote": '"#read("/etc/passwd")"',
        "escape": "\\u{41}",
    }
    words = {**sample.HOSTILE, **markup}
    claims = [sample.claim(statement=one, section=one, id=name) for name, one in words.items()]
    data = make_pdf(make(keyed(sample.run(*claims, policy=words["script"])), TERMS, None), None)
    told = "".join(text_of(data).split())
    for one in words.values():
        assert told.count("".join(safe(one, LONGEST).split())) >= 2, one
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    assert not any("/A" in one.get_object() for page in pages for one in page.get("/Annots", ()))


def test_what_the_fonts_lack_is_spelled_out_and_nothing_of_it_lost(monkeypatch):
    odd = "\u4e2d\u6587 \U0001f600 caf\u00e9 \u0416 \u05d0"
    made = make(keyed(sample.run(sample.claim(statement=odd))), TERMS, None)
    assert make_pdf(made, None).startswith(b"%PDF-")
    # As on a machine without any fonts.
    own = pdf._set
    monkeypatch.setattr(pdf, "_set", lambda *arguments, own_fonts: own(*arguments, own_fonts=True))
    assert "\\u4e2d\\u6587 \\U0001f600 caf\u00e9 \u0416" in text_of(make_pdf(made, None))


def test_what_is_never_spelled_out_needs_no_other_fonts(monkeypatch):
    sure = [one for one in map(chr, range(0x20, 0x2100)) if not pdf._OTHER.match(one) and safe(one) == one]
    assert len(sure) > 1200
    made = make(
        keyed(
            sample.run(
                sample.claim(statement=" ".join("".join(sure[place : place + 9]) for place in range(0, len(sure), 9)))
            )
        ),
        TERMS,
        None,
    )
    attempts = []
    own = pdf._set
    monkeypatch.setattr(
        pdf, "_set", lambda *given, own_fonts: attempts.append(own_fonts) or own(*given, own_fonts=own_fonts)
    )
    make_pdf(made, None)
    assert attempts == [True]


def test_the_same_share_gives_the_same_bytes(made, signed):
    assert make_pdf(make(full(), terms("rate-limits"), KEY), KEY) == signed
    other = make(full(), TERMS, P256)
    assert make_pdf(other, P256) == make_pdf(other, P256)


def test_a_changed_pdf_is_seen(made, signed):
    for place in range(50, len(signed), len(signed) // 40):
        changed = bytearray(signed)
        changed[place] ^= 4
        assert said(bytes(changed)), place
    for cut in (signed[:-1], signed + b"\n", signed[: len(signed) // 2], b"%PDF-", make_pdf(made, None)):
        assert said(cut)


def test_a_change_in_the_gap_of_the_signature_is_seen(signed):
    """The signature is not over itself: the certificate beside it, the room that is left, the words around it."""
    start = signed.rfind(b"/Contents <") + len(b"/Contents <")
    end = signed.find(b">", start)
    assert said(signed) == ""
    for place in (*range(start + 20, start + 950, 31), end - 1, end - 200):
        changed = bytearray(signed)
        changed[place] ^= 4
        assert said(bytes(changed)), place - start


def test_what_is_added_after_the_signature_is_seen(signed):
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    writer.root["/Odd"] = generic.TextStringObject("added")
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    assert out.getvalue().startswith(signed)
    assert "is not one over this whole file" in said(out.getvalue())


def test_another_key_or_a_day_too_late_does_not_count(signed):
    assert "not signed with a key that you named" in said(signed, [Issuer(P256.private.public_key())])
    assert "expired on 2026-06-01" in said(signed, now=datetime(2026, 6, 2, tzinfo=UTC))


def test_a_pdf_around_the_part_of_another_issuer_does_not_count(made):
    """Whoever puts another's part into a PDF of their own signs only the PDF."""
    data = signing.sign(pdf.render(made.view, made.part), made.view, P256)
    assert "nothing in it was looked at" in said(data, [*ISSUERS, Issuer(P256.private.public_key())])


def test_a_certificate_of_another_key_is_refused(made):
    mine = signing.own_certificate(KEY, NOW, datetime(2027, 1, 1, tzinfo=UTC))
    pem = mine.public_bytes(Encoding.PEM)
    assert signing.certificates(pem, KEY, "c.pem") == (mine,)
    assert said(make_pdf(made, KEY, (mine,))) == ""
    with pytest.raises(InputError, match=r"c\.pem: the first certificate is not one of the key"):
        signing.certificates(pem, P256, "c.pem")
    with pytest.raises(InputError, match="holds no certificate"):
        signing.certificates(b"", KEY, "c.pem")


def test_a_pdf_without_a_part_is_none():
    data = io.BytesIO()
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(data)
    with pytest.raises(Damaged, match="no machine-readable part"):
        signing.attached(data.getvalue(), pdf.ATTACHED)


def test_a_missing_library_is_said_with_what_to_do(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(pdf.MissingLibrary, match=r"typst is not installed; pip install 'upheld\[pdf\]'"):
        make_pdf(made, None)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "upheld.sharing.signing", None)
    monkeypatch.delattr("upheld.sharing.signing")
    with pytest.raises(pdf.MissingLibrary):
        pdf.signing()


def test_the_commands(tmp_path):
    run_json.write(fresh(), tmp_path / "run" / "run.json")
    (tmp_path / "key").write_bytes(KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pub").write_bytes(public)

    def invoke(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments])

    asked = ("share", tmp_path / "run", "--audience", "Acme", "--key", tmp_path / "key", "--out")
    both = invoke(*asked, tmp_path / "out")
    assert both.exit_code == 0, both.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["share.html", "share.pdf"]
    for file in (tmp_path / "out").iterdir():
        assert invoke("verify-share", file, "--issuer", tmp_path / "pub").exit_code == 0
    assert invoke(*asked, tmp_path / "one.pdf").exit_code == 0
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "out" / "share.pdf").read_bytes()
    useless = invoke("share", tmp_path / "run", "--audience", "A", "--certificate", "c", "--out", tmp_path / "x.pdf")
    assert "of no use without --key" in str(useless.exception)


def test_a_long_document_is_set_too():
    claims = (dataclasses.replace(sample.claim(), id=f"c{number}", statement="word " * 300) for number in range(40))
    made = make(keyed(sample.run(*claims)), TERMS, None)
    assert len(pypdf.PdfReader(io.BytesIO(make_pdf(made, None))).pages) > 10
