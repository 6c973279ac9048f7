"""Timestamps of a real authority (`openssl ts`) behind a small server on this machine."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime
from functools import partial

import pytest

import timestamp_authority
from evidence_runs import public_half, ssh_line
from upheld.errors import InputError
from upheld.evidence import bundle, keys, timestamps
from upheld.evidence.container import Part, pack, unpack
from upheld.evidence.timestamps import NoTimestamp
from upheld.evidence.verifying import verify_data

ANSWERS = {
    "/broken": (500, b""),
    "/empty": (200, b""),
    "/page": (200, b"<html>hello</html>"),
    "/large": (200, bytes(100_000)),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    timestamp_authority.prepare(folder)
    older = timestamp_authority.reply(folder, request_for(b"something else", folder))
    with timestamp_authority.serving(folder, {**ANSWERS, "/other": (200, older)}) as running:
        yield running


def request_for(content, folder):
    (folder / "content").write_bytes(content)
    query = ["openssl", "ts", "-query", "-data", "content", "-sha512", "-cert"]
    return subprocess.run(query, cwd=folder, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def stamped(made, authority):
    return made(timestamp=partial(timestamps.ask, f"{authority.url}/"))


@pytest.fixture(scope="module")
def issuers(key_files):
    return keys.issuers(public_half(key_files["ed25519"]))


def test_it_says_when_the_evidence_existed(tmp_path, stamped, authority, issuers):
    found = verify_data(stamped, issuers, authorities=timestamps.authorities(authority.root))
    assert found.holds, found.points
    assert abs((datetime.now(UTC) - found.existed).total_seconds()) < 3600
    # And OpenSSL says so too, of the part as it stands in the file.
    for name in (bundle.RUN_STATEMENT, bundle.TIMESTAMP):
        (tmp_path / name.split("/")[1]).write_bytes(unpack(stamped)[name].content())
    command = ["openssl", "ts", "-verify", "-data", "run.dsse.json", "-in", "run.tsr", "-CAfile", str(authority.root)]
    done = subprocess.run(
        [*command, "-untrusted", str(authority.folder / "tsa.pem")], cwd=tmp_path, capture_output=True, check=False
    )
    assert b"Verification: OK" in done.stdout


def test_a_timestamp_that_nobody_asks_for_is_not_looked_at(stamped, issuers):
    found = verify_data(stamped, issuers)
    assert found.holds
    assert [point.holds for point in found.points].count(None) == 1
    assert found.existed is None


def test_an_expired_key_counts_for_what_existed_before(tmp_path, stamped, whole, authority, key_files):
    path = tmp_path / "allowed"
    path.write_text(f'anna valid-before="20990101" {ssh_line(public_half(key_files["ed25519"]))}\n')
    late = datetime(2100, 1, 1, tzinfo=UTC)
    trusted = timestamps.authorities(authority.root)
    assert verify_data(stamped, keys.issuers(path), now=late, authorities=trusted).holds
    assert not verify_data(stamped, keys.issuers(path), now=late).holds
    assert not verify_data(whole, keys.issuers(path), now=late).holds


def test_who_asks_for_a_timestamp_gets_no_bundle_without_one(whole, authority, issuers):
    found = verify_data(whole, issuers, authorities=timestamps.authorities(authority.root))
    assert not found.holds
    assert any("there is no timestamp" in point.says for point in found.points)


def test_a_timestamp_of_something_else_or_of_another_authority(tmp_path, stamped, made, authority, issuers):
    trusted = timestamps.authorities(authority.root)
    parts = unpack(stamped)
    older = timestamp_authority.reply(authority.folder, request_for(b"something else", authority.folder))
    swapped = pack({**parts, bundle.TIMESTAMP: Part.of(bundle.TIMESTAMP, older)})
    timestamp_authority.prepare(tmp_path / "other")
    stranger = timestamps.authorities(tmp_path / "other" / "ca.pem")
    for data, authorities in ((swapped, trusted), (stamped, stranger)):
        found = verify_data(data, issuers, authorities=authorities)
        assert not found.holds
        assert any("the timestamp does not verify" in point.says for point in found.points)


def test_a_flipped_byte_of_a_timestamp_shows(stamped, authority, issuers):
    """In the file any does, by its digest; after that was made right, in whatever of the timestamp means something."""
    trusted = timestamps.authorities(authority.root)
    parts = unpack(stamped)
    raw = parts[bundle.TIMESTAMP].content()
    message = parts[bundle.RUN_STATEMENT].content()
    moment = timestamps.moment(raw, message, trusted)
    for place in random.Random(3).sample(range(len(raw)), 100):
        other = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            assert timestamps.moment(other, message, trusted) == moment
        except NoTimestamp:
            continue


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/broken", "status 500"),
        ("/empty", "cannot be read"),
        ("/page", "cannot be read"),
        ("/large", "larger than"),
        ("/other", "answers for something else"),
    ],
)
def test_an_authority_that_gives_none(authority, path, words):
    with pytest.raises(NoTimestamp, match=words):
        timestamps.ask(authority.url + path, b"content")


def test_an_authority_that_is_not_there(tmp_path):
    for url, words in (
        ("http://127.0.0.1:9", "does not answer"),
        ("ftp://example.com", "no address"),
        ("x", "no address"),
    ):
        with pytest.raises(NoTimestamp, match=words):
            timestamps.ask(url, b"content")
    with pytest.raises(InputError, match="cannot be read"):
        timestamps.authorities(tmp_path / "nowhere.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(InputError, match="holds no certificate"):
        timestamps.authorities(tmp_path / "empty.pem")
