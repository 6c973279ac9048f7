"""What was done to a bundle shows: by accident (any flipped byte), by somebody without the key, and by its issuer in its contents."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct

import pytest

from evidence_runs import public_half
from processes import said
from upheld.evidence import bundle, container, keys, statements
from upheld.evidence.container import Damaged, Part, pack, unpack
from upheld.evidence.leaves import counts, leaves
from upheld.evidence.tree import Tree
from upheld.evidence.verifying import verify_data

COMMENT = 25 + 64


@pytest.fixture(scope="module")
def issuers(key_files):
    return keys.issuers(public_half(key_files["ed25519"]))


@pytest.fixture(scope="module")
def key(key_files):
    return keys.signing_key(str(key_files["ed25519"]))


def repaired(data):
    """With the digest at its end made right again, as whoever changes a file on purpose would."""
    body = data[:-COMMENT]
    return body + data[-COMMENT:-64] + hashlib.sha256(body).hexdigest().encode()


def flipped(data, place, bits=1):
    return data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]


def structure(data):
    """Every byte that is no part's content: the headers before each part, the directory, the end and the comment."""
    places, at = [], 0
    for part in unpack(data).values():
        head = 30 + len(part.name)
        places += range(at, at + head)
        at += head + len(part.stored)
    return [*places, *range(at, len(data))]


def refusal(data, issuers):
    found = verify_data(data, issuers)
    assert not found.holds
    assert not found.contents or any(point.holds is False for point in found.points)
    return next(point.says for point in found.points if point.holds is False)


def test_the_bundle_itself_holds(whole, issuers):
    assert verify_data(whole, issuers).holds
    assert repaired(whole) == whole


def test_a_flipped_byte_shows(whole, issuers):
    chosen = random.Random(6)
    for place in chosen.sample(range(len(whole)), 300):
        assert (
            "damaged" in refusal(flipped(whole, place, 1 << chosen.randrange(8)), issuers)
            or place >= len(whole) - COMMENT
        )


def test_a_flipped_byte_shows_after_the_digest_was_made_right(whole, issuers):
    chosen = random.Random(7)
    places = chosen.sample(structure(whole)[:-COMMENT], 60) + chosen.sample(range(len(whole) - COMMENT), 60)
    for place in places:
        refusal(repaired(flipped(whole, place, 1 << chosen.randrange(8))), issuers)


@pytest.mark.exhaustive
def test_ten_thousand_flipped_bytes_show(whole, issuers):
    chosen = random.Random(8)
    for _ in range(10_000):
        place = chosen.randrange(len(whole))
        changed = flipped(whole, place, chosen.randrange(1, 256))
        refusal(changed, issuers)
        if place < len(whole) - COMMENT:
            refusal(repaired(changed), issuers)


@pytest.mark.exhaustive
def test_every_bit_of_the_structure_shows(whole, issuers):
    for place in structure(whole):
        for bit in range(8):
            changed = flipped(whole, place, 1 << bit)
            refusal(changed, issuers)
            if place < len(whole) - COMMENT:
                refusal(repaired(changed), issuers)


def test_a_truncated_file_shows(whole, issuers):
    chosen = random.Random(9)
    for length in (0, 1, COMMENT, COMMENT + 21, COMMENT + 22, len(whole) - 1, *chosen.sample(range(len(whole)), 30)):
        refusal(whole[:length], issuers)
        refusal(whole[length:] if length else b"", issuers)


def test_what_stands_between_parts_or_behind_them_shows(whole, issuers):
    for place in (0, 30, len(whole) - COMMENT):
        refusal(repaired(whole[:place] + b"hidden" + whole[place:]), issuers)
    refusal(whole + b"x", issuers)
    # Between the parts and the directory, with the directory's place made right.
    end = len(whole) - COMMENT - 22
    (start,) = struct.unpack_from("<I", whole, end + 16)
    moved = whole[:start] + b"hidden" + whole[start : end + 16] + struct.pack("<I", start + 6) + whole[end + 20 :]
    assert "belongs to no part" in refusal(repaired(moved), issuers)


# --- by somebody who has no key -----------------------------------------------------------------------------------------


def changed(data, **contents):
    """The bundle with other contents in some parts, and all else as it was."""
    parts = unpack(data)
    for name, content in contents.items():
        real = name.replace("__", "/").replace("_json", ".json")
        parts[real] = Part.of(real, content)
    return pack(parts)


def observations_of(run):
    return run["claims"][0]["checks"][0]["observations"]


def without(run):
    del observations_of(run)[1]


def doubled(run):
    observations_of(run).insert(1, observations_of(run)[0])


def reordered(run):
    observations_of(run)[:2] = reversed(observations_of(run)[:2])


def whitewashed(run):
    run["claims"][1]["status"] = "upheld"


def without_claim(run):
    del run["claims"][1]


@pytest.mark.parametrize("change", [without, doubled, reordered, whitewashed, without_claim])
def test_whoever_has_no_key_changes_nothing(whole, issuers, change):
    run = json.loads(unpack(whole)["run.json"].content())
    change(run)
    text = json.dumps(run, indent=1, ensure_ascii=False).encode() + b"\n"
    lines = b"".join(leaf.data + b"\n" for leaf in leaves(run))
    assert "run.json is not the one that is signed for" in refusal(changed(whole, run_json=text), issuers)
    both = {"run_json": text, "leaves.jsonl": lines}
    assert "run.json is not the one that is signed for" in refusal(changed(whole, **both), issuers)


def test_the_signature_of_another_run(whole, made, other, issuers):
    """Both runs are by the same issuer: the signature verifies, and is none of these contents."""
    foreign = unpack(made(other))
    parts = unpack(whole)
    names = (bundle.RUN_STATEMENT, bundle.TEST_STATEMENT)
    for swapped in (names[:1], names[1:], names):
        mixed = pack({**parts, **{name: foreign[name] for name in swapped}})
        said_so = refusal(mixed, issuers)
        assert "not the one" in said_so
        assert ("test result" in said_so) is (swapped == names[1:])


def test_parts_that_are_missing_added_or_in_another_order(whole, issuers):
    parts = unpack(whole)
    for name in parts:
        assert name in refusal(pack({one: part for one, part in parts.items() if one != name}), issuers)
    assert "extra.txt is in the file and not signed for" in refusal(
        pack({**parts, "extra.txt": Part.of("extra.txt", b"")}), issuers
    )
    assert "another order" in refusal(pack(dict(reversed(parts.items()))), issuers)


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}',
        b'{"payload":"AAAA","payloadType":"text/plain","signatures":[{"keyid":"a","sig":"AAAA"}]}',
        b'{"payload":1,"payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"a","sig":"AAAA"}]}',
        b'{"payload":"AAAA","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":[],"sig":"AAAA"}]}',
        b"\xff",
    ],
)
def test_an_envelope_that_is_none(whole, issuers, envelope):
    refusal(changed(whole, **{bundle.RUN_STATEMENT: envelope}), issuers)


def test_a_statement_of_another_kind_by_the_same_key(whole, issuers, key):
    """Nothing that the key signed for another purpose can stand in the place of a run's statement."""
    parts = unpack(whole)
    for other in (parts[bundle.TEST_STATEMENT].content(), statements.seal({**STATEMENT, "predicateType": "x"}, key)):
        said_so = refusal(changed(whole, **{bundle.RUN_STATEMENT: other}), issuers)
        assert "no statement of the format" in said_so


STATEMENT = {
    "_type": statements.STATEMENT,
    "subject": [{"name": "x", "digest": {"sha256": "00"}}],
    "predicateType": statements.RUN_PREDICATE,
    "predicate": {"format": statements.FORMAT},
}


@pytest.mark.parametrize(
    "more",
    [{}, {"files": 1}, {"files": ["x"]}, {"files": [{}]}, {"expires": 3}, {"expires": "2026-01-01"}, {"format": 2}],
)
def test_a_statement_that_the_issuer_signed_and_that_says_too_little(whole, issuers, key, more):
    thin = {**STATEMENT, "predicate": {**STATEMENT["predicate"], **more}}
    refusal(changed(whole, **{bundle.RUN_STATEMENT: statements.seal(thin, key)}), issuers)


# --- by the issuer ------------------------------------------------------------------------------------------------------


def resigned(whole, key, run=None, **contents):
    """What an issuer makes of changed contents: everything is signed anew, with leaves of the changed run."""
    held = {name: part.content() for name, part in unpack(whole).items() if not name.startswith("statements/")}
    data = run or json.loads(held["run.json"])
    found = list(leaves(data))
    held["run.json"] = json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"
    held["leaves.jsonl"] = b"".join(leaf.data + b"\n" for leaf in found)
    held.update(contents)
    seed = bundle.seed_in(held["seed"])
    root = Tree.over(held["leaves.jsonl"].split(b"\n")[:-1], seed).root
    parts = {name: Part.of(name, content) for name, content in held.items()}
    files = [bundle.file_of(parts[name], content) for name, content in held.items()]
    sealed = {
        bundle.RUN_STATEMENT: statements.seal(statements.of_run(data, files, root, counts(found), ""), key),
        bundle.TEST_STATEMENT: statements.seal(statements.of_tests(data, files, root), key),
    }
    return pack({name: Part.of(name, content) for name, content in sealed.items()} | parts)


def test_signing_anew_what_was_not_changed_holds(whole, issuers, key):
    assert verify_data(resigned(whole, key), issuers).holds


def raised(run):
    run["claims"][1]["checks"][1]["verdict"] = "pass"
    run["claims"][1]["status"] = "upheld"


def emptied(run):
    check = run["claims"][0]["checks"][0]
    check["findings"] = []


def unfounded(run):
    run["claims"][0]["checks"][0]["findings"][0]["observations"] = ["nowhere-1"]


def repeated(run):
    run["claims"].append(copy.deepcopy(run["claims"][0]))


def fewer(run):
    run["claims"][1]["checks"].pop()
    run["claims"][1]["status"] = "upheld"


def calibrated(run):
    run["claims"][0]["checks"][0].update(calibrated=True, sabotages_caught=["everything"])


def renamed(run):
    run["target"]["name"] = "something else"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without, "rests on an observation that is not there"),
        (doubled, "has an observation twice"),
        (whitewashed, "bad is said to be upheld, and its checks make it refuted"),
        (raised, "own.is_broken is said to be pass, which does not follow"),
        (emptied, "own.holds is said to be pass, which does not follow"),
        (unfounded, "rests on an observation that is not there"),
        (repeated, "reported twice"),
        (fewer, "checks were planned and"),
        (calibrated, "what own.holds is said to catch"),
        (renamed, "another name than the one that was audited"),
    ],
)
def test_an_issuer_who_contradicts_the_findings(whole, issuers, key, change, words):
    run = json.loads(unpack(whole)["run.json"].content())
    change(run)
    found = verify_data(resigned(whole, key, run), issuers)
    assert not found.holds
    assert any(words in point.says for point in found.points if point.holds is False), found.points


def places(value, at=()):
    """Where a value stands in the run, and every value below it."""
    yield at
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in below:
        yield from places(inner, (*at, name))


def test_an_issuer_whose_run_has_something_odd_in_any_place(whole, issuers, key):
    """It is refused, or what was changed is none of verify's business (a word of a finding); nothing breaks."""
    held = json.loads(unpack(whole)["run.json"].content())
    chosen = random.Random(11)
    odd = (None, True, 7, -1.5, "", "pass", "upheld", [], [[]], [None], {}, {"a": 1}, ["x"], "\x1b[31m")
    for *above, last in chosen.sample([one for one in places(held) if one], 150):
        run = copy.deepcopy(held)
        part = run
        for name in above:
            part = part[name]
        part[last] = chosen.choice(odd)
        try:
            data = resigned(whole, key, run)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
        ):  # What the issuer's own tools refuse is put in afterwards.
            data = resigned(whole, key, held, **{"run.json": json.dumps(run, indent=1).encode()})
            assert not verify_data(data, issuers).holds
        verify_data(data, issuers)


@pytest.mark.parametrize("name", ["status", "checks", "id"])
def test_an_issuer_whose_run_lacks_something(whole, issuers, key, name):
    held = json.loads(unpack(whole)["run.json"].content())
    run = copy.deepcopy(held)
    del run["claims"][0][name]
    text = json.dumps(run, indent=1).encode()
    assert "not shaped like a run" in refusal(resigned(whole, key, held, **{"run.json": text}), issuers)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"leaves.jsonl": b'{"leaf":"run"}\n'}, "leaves"),
        ({"leaves.jsonl": b""}, "leaves"),
        ({"policy/000-policies.yaml": b"upheld: policy/1\n"}, "the policy is not the one"),
        ({"run.json": b"{}"}, "is no run of the format"),
        ({"target.json": b"[1]"}, "not shaped"),
        ({"calibration.json": b"nonsense"}, "not shaped"),
    ],
)
def test_an_issuer_whose_parts_do_not_fit_together(whole, issuers, key, contents, words):
    try:
        data = resigned(whole, key, **contents)
    except ValueError:  # A tree over nothing cannot even be signed.
        assert contents == {"leaves.jsonl": b""}
        return
    assert words in refusal(data, issuers)


def test_a_seed_that_is_none(whole, issuers, key):
    for seed in (b"", b"00\n", b"zz" * 32 + b"\n", b"00" * 32):
        parts = unpack(resigned(whole, key))
        parts["seed"] = Part.of("seed", seed)
        assert "seed is not the one" in refusal(pack(parts), issuers)
        with pytest.raises(Damaged, match="the seed"):
            bundle.seed_in(seed)


# --- bombs --------------------------------------------------------------------------------------------------------------


def resized(part, size):
    return Part(part.name, size, part.crc, part.stored)


def test_a_part_is_unpacked_no_further_than_its_header_says(whole, issuers):
    zeros = Part.of(bundle.RUN_STATEMENT, bytes(4 << 20))
    for size in (0, 10, (4 << 20) - 1, (4 << 20) + 1):
        with pytest.raises(Damaged, match="not as large"):
            resized(zeros, size).content()
    with pytest.raises(Damaged, match="most"):
        zeros.content(1 << 20)
    parts = unpack(whole)
    large = Part.of(bundle.RUN_STATEMENT, bytes(statements.LARGEST + 1))
    assert "would be" in refusal(pack({**parts, large.name: large}), issuers)


def test_parts_that_would_be_too_large_in_all(whole, issuers):
    parts = unpack(whole)
    much = {f"part-{number}": Part(f"part-{number}", 1 << 30, 0, b"") for number in range(3)}
    with pytest.raises(ValueError, match="MiB in all"):
        pack({**parts, **much})
    directory = b"".join(container._laid_out({**parts, **much}.values()))
    data = directory + b"upheld-evidence/1 sha256:" + hashlib.sha256(directory).hexdigest().encode()
    assert "larger than" in refusal(data, issuers)


def test_a_directory_that_lies_about_itself(whole, issuers):
    end = len(whole) - COMMENT - 22
    for offset, form, value in (
        (8, "<H", 65535),
        (10, "<H", 0),
        (12, "<I", 2**32 - 1),
        (16, "<I", 2**32 - 1),
        (16, "<I", 0),
    ):
        place = end + offset
        data = whole[:place] + struct.pack(form, value) + whole[place + struct.calcsize(form) :]
        refusal(repaired(data), issuers)


def test_a_bomb_that_nobody_answers_for_is_never_unpacked(tmp_path, whole, key_files):
    """Hundreds of megabytes of zeros in a part that is not signed for, and one in the place of a part that is."""
    path = tmp_path / "bomb.upheld"
    (tmp_path / "whole.upheld").write_bytes(whole)
    script = f"""
import zlib
from processes import peak_bytes
from pathlib import Path
from upheld.evidence import keys
from upheld.evidence.container import Part, pack, unpack
from upheld.evidence.verifying import verify
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
piece = bytes(1 << 20)
crc, stored = 0, b""
for _ in range(400):
    crc = zlib.crc32(piece, crc)
    stored += packer.compress(piece)
stored += packer.flush()
path = Path({str(path)!r})
issuers = keys.issuers(Path({str(public_half(key_files["ed25519"]))!r}))
for name in ("bomb", "run.json", "leaves.jsonl"):
    parts = unpack(Path({str(tmp_path / "whole.upheld")!r}).read_bytes())
    parts[name] = Part(name, 400 << 20, crc, stored)
    path.write_bytes(pack(parts))
    assert path.stat().st_size < 3 << 20
    assert not verify(path, issuers).holds
print(peak_bytes() >> 20)
"""
    assert int(said(script)) < 200
