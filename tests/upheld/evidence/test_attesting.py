"""What `upheld attest` writes is what the check of attestations reads: signed by a person who may, of documents by their digests, until a day."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from loopback import ROOT
from stopped_clock import stop
from upheld import Finding
from upheld.catalogue import Catalogue
from upheld.cli.attest import attest
from upheld.errors import InputError
from upheld.evidence.attesting import as_company
from upheld.probes.attestations import Attestations
from upheld.probes.clock import Clock
from upheld.probes.entries import renamed

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

WORDS = "We do not sell customer data."
POLICY = f"""
upheld: policy/1
name: shop
claims:
  - id: no-sale
    statement: "{WORDS}"
    section: S
    severity: low
    owner: legal
    checks: [attestations.statement_is_signed_and_in_force: {{claim: no-sale, valid_at_most_days: 366}}]
"""
ANNA = "Anna Adler <anna@example.com>"
SOON = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()


@dataclass
class Office:
    folder: Path
    described: dict

    def attest(self, *arguments, claim="no-sale", signer=ANNA, expires=SOON, documents=("papers/contract.txt",)):
        target = {"name": "shop", "environment": "staging", "attestations": self.described}
        (self.folder / "target.yaml").write_text(yaml.safe_dump(target), encoding="utf-8")
        named = [part for one in documents for part in ("--document", str(self.folder / "kept" / one))]
        files = ["--policy", str(self.folder / "policies.yaml"), "--target", str(self.folder / "target.yaml")]
        command = [claim, "--signer", signer, "--expires", expires, *named, *files, *arguments]
        result = CliRunner().invoke(attest, command)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    @property
    def file(self):
        return self.folder / "kept" / "signed" / "no-sale.yaml"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("anna", "ben"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True)
    return {name: folder / name for name in ("anna", "ben")}


@pytest.fixture
def office(tmp_path, keys):
    (tmp_path / "policies.yaml").write_text(POLICY, encoding="utf-8")
    for folder in ("papers", "signed"):
        (tmp_path / "kept" / folder).mkdir(parents=True)
    (tmp_path / "kept" / "papers" / "contract.txt").write_text("We agree.", encoding="utf-8")
    allowed = [
        f'anna@example.com namespaces="no-sale@example.com" {(keys["anna"].with_suffix(".pub")).read_text()}',
        f'ben@example.com namespaces="other@example.com" {(keys["ben"].with_suffix(".pub")).read_text()}',
        f'carl@example.com namespaces="no-sale@example.com",valid-before="20260101" {keys["ben"].with_suffix(".pub").read_text()}',
    ]
    (tmp_path / "kept" / "signed" / "allowed").write_text("".join(allowed), encoding="utf-8")
    described = {
        "folder": "kept",
        "documents": "papers",
        "allowed_signers": "signed/allowed",
        "statements": {"no-sale": {"file": "signed/no-sale.yaml", "namespace": "no-sale@example.com"}},
    }
    return Office(tmp_path, described)


@pytest.fixture
def read(office, session_of):
    """What the check says of what lies there, at a moment."""
    check = Catalogue.load(ROOT / "checks")["attestations.statement_is_signed_and_in_force"].function

    def judge(moment=None):
        session = session_of(attestations=office.described)
        session.target_folder = office.folder
        session.policy_sentences = {"no-sale": (WORDS,)}
        clock = session.probe(Clock)
        stop(clock, moment or datetime.now(UTC) + timedelta(minutes=1))
        found = list(check(session.probe(Attestations), clock, claim="no-sale"))
        return {one.subject: one.observed for one in found if not (isinstance(one, Finding) and one.passed)}, len(found)

    return judge


def test_the_key_may_be_in_an_agent(office, keys, read, tmp_path, monkeypatch):
    address = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(address)], stdout=subprocess.PIPE, text=True) as agent:
        assert "SSH_AUTH_SOCK" in agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
        subprocess.run(["ssh-add", "-q", str(keys["anna"])], check=True, capture_output=True)
        public = tmp_path / "elsewhere.pub"
        shutil.copy(f"{keys['anna']}.pub", public)
        assert "signed: " in office.attest("--key", str(public))
        agent.terminate()
    assert read() == ({}, 4)


def test_what_was_signed_at_once_is_what_a_run_reads(office, keys, read):
    said = office.attest("--key", str(keys["anna"]), "--role", "Head of legal")
    assert "signed: " in said
    assert read() == ({}, 4)
    data = yaml.safe_load(office.file.read_text(encoding="utf-8"))
    assert data["statement"] == WORDS
    assert data["signer"] == {"name": "Anna Adler", "email": "anna@example.com", "role": "Head of legal"}
    assert [one["path"] for one in data["documents"]] == ["contract.txt"]
    # It lapses, and a document that changes takes it with it.
    flaws, _ = read(datetime.now(UTC) + timedelta(days=92))
    assert list(flaws) == ["term of no-sale"]
    (office.folder / "kept" / "papers" / "contract.txt").write_text("We do not agree.", encoding="utf-8")
    flaws, _ = read()
    assert list(flaws) == ["document contract.txt"]


def test_what_the_person_is_told_to_run_signs_it(office, keys, read):
    said = office.attest()
    assert list(read()[0]) == ["signature under no-sale"]
    command = said.strip().splitlines()[-1].strip().replace("KEY", str(keys["anna"]))
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    assert read() == ({}, 4)


def test_a_signature_that_is_kept_elsewhere(office, keys, read):
    office.described["statements"]["no-sale"]["signature"] = "signed/no sale.signature"
    said = office.attest()
    command = said.strip().splitlines()[-1].strip().replace("KEY", str(keys["anna"]))
    subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    assert read() == ({}, 4)
    office.attest("--replace", "--key", str(keys["anna"]))
    assert read() == ({}, 4)


def test_the_company_calls_fields_otherwise(office, keys, read):
    fields = {
        "signed_at": "signed",
        "expires_at": "good until",
        "signer": "by",
        "signer.email": "mail",
        "documents": "annexes",
        "documents.sha256": "digest",
    }
    office.described["statements"]["no-sale"]["fields"] = fields
    office.attest("--key", str(keys["anna"]))
    data = yaml.safe_load(office.file.read_text(encoding="utf-8"))
    assert data["by"]["mail"] == "anna@example.com"
    assert set(data["annexes"][0]) == {"path", "digest"}
    assert read() == ({}, 4)


def test_names_that_do_not_lead_back_are_refused(office, keys):
    office.described["statements"]["no-sale"]["fields"] = {"signed_at": "when", "expires_at": "when"}
    with pytest.raises(InputError, match="would not be found again"):
        office.attest("--key", str(keys["anna"]))
    assert not office.file.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"a": "x"},
        {"p": "q", "p.a": "b"},
        {"l.a": "b"},
        {"l": "m", "l.a": "z", "a": "c"},
        {"gone": "a2", "p.gone": "x"},
    ],
)
def test_names_of_the_company_lead_back(fields):
    entry = {"a": 1, "p": {"a": 2, "c": 3}, "l": [{"a": 4}, {"a": 5}]}
    again = renamed(as_company(entry, fields), fields)
    assert {name: again[name] for name in ("a",)} == {"a": 1}
    assert again["p"]["a"] == 2
    assert [one["a"] for one in again["l"]] == [4, 5]


def test_a_statement_that_is_there_is_replaced_only_when_asked(office, keys, read):
    office.attest("--key", str(keys["anna"]))
    before = office.file.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        office.attest()
    assert office.file.read_bytes() == before
    assert read() == ({}, 4)
    # Another statement has no use for the signature of the one before.
    office.attest("--replace", "--role", "Director")
    assert list(read()[0]) == ["signature under no-sale"]


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"signer": "Ben Berg <ben@example.com>"}, "ben", "may not sign for no-sale@example.com"),
        ({"signer": "Dora <dora@example.com>"}, None, "may not sign for no-sale@example.com"),
        ({"signer": "Carl <carl@example.com>"}, "ben", "out of its time"),
        ({"signer": "anna@example.com"}, "anna", "is no person"),
        ({}, "ben", "not the one by which the allowed signers let this person sign"),
        ({}, "nowhere", "did not sign"),
        ({"expires": "2026-01-01"}, "anna", "is over already"),
        ({"expires": "2099-01-01"}, "anna", "later than the policy accepts"),
        ({"expires": "soon"}, "anna", "is no date"),
        ({"documents": ["../target.yaml"]}, "anna", "is not below"),
        ({"documents": ["papers/nowhere.txt"]}, "anna", "does not exist"),
        ({"claim": "no-sail"}, "anna", "no claim"),
    ],
)
def test_what_would_not_count_is_not_written(office, keys, changes, key, words):
    with pytest.raises(InputError, match=words):
        office.attest(*(["--key", str(keys.get(key, key))] if key else []), **changes)
    assert sorted(path.name for path in office.file.parent.iterdir()) == ["allowed"]


def test_expiry_and_documents_are_compulsory(office):
    done = CliRunner().invoke(attest, ["no-sale", "--signer", ANNA, "--document", "x"], standalone_mode=True)
    assert (done.exit_code, "--expires" in done.output) == (2, True)
    done = CliRunner().invoke(attest, ["no-sale", "--signer", ANNA, "--expires", SOON], standalone_mode=True)
    assert (done.exit_code, "--document" in done.output) == (2, True)


def test_a_target_that_declares_no_statement_says_what_to_add(office):
    office.described = None
    with pytest.raises(InputError, match="no signed statement for 'no-sale'; expected attestations: "):
        office.attest()


def test_a_statement_that_a_certificate_signs_is_written_for_openssl(office):
    one = {"file": "signed/no-sale.yaml", "format": "x509"}
    certificates = {"authorities": "ca.pem", "signers": {"anna@example.com": ["no-sale"]}}
    office.described = {
        "folder": "kept",
        "documents": "papers",
        "certificates": certificates,
        "statements": {"no-sale": one},
    }
    assert "openssl cms -sign -binary" in office.attest()
    with pytest.raises(InputError, match="certificate"):
        office.attest("--replace", "--key", "x")
