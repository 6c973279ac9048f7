"""A run in one signed file: its parts, and how they are put together and read again.

statements/run.dsse.json            what the issuer signs: the root of the tree, counts, every part by digest
statements/test-result.dsse.json    the same in in-toto's words for tests
statements/run.tsr                  a timestamp of the first, where one was asked for
statements/run.sigstore.json        who vouches for the first, where it was signed without a key of the issuer's own
run.json  leaves.jsonl  seed        the run, its leaves line by line, and the seed of their salts
checks.json  calibration.json       the digests of the checks' code, and what each is known to catch
target.json  policy/…               what was audited, and by which policy
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from upheld.errors import InputError, Mistake
from upheld.evidence import inputs, keyless, statements
from upheld.evidence.container import Damaged, Part, pack
from upheld.evidence.keys import Signer
from upheld.evidence.leaves import KINDS, Leaf, leaves, leaves_of_claim
from upheld.evidence.statements import File
from upheld.evidence.tree import SALT, Tree
from upheld.model import Run
from upheld.reporting import run_json

RUN_STATEMENT = "statements/run.dsse.json"
TEST_STATEMENT = "statements/test-result.dsse.json"
TIMESTAMP = "statements/run.tsr"
SIGSTORE = "statements/run.sigstore.json"
RUN = "run.json"
LEAVES = "leaves.jsonl"
SEED = "seed"
CHECKS = "checks.json"
CONTENTS = (RUN, LEAVES, SEED, CHECKS, inputs.CALIBRATION, inputs.TARGET)
"""The parts of every bundle that its statement names, in their order; the files of the policy follow."""


def make(
    run: Run,
    given: Mapping[str, bytes],
    key: Signer,
    *,
    expires: str = "",
    timestamp: Callable[[bytes], bytes] | None = None,
    identity: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """The bundle of a run with these inputs (`evidence.inputs`), signed with `key`.

    The same run, inputs, key and expiry give the same bytes, but for a timestamp, which is different every time. With `identity`,
    which signs bytes in Sigstore's way (`evidence.keyless.signer`), that identity vouches for the key, which was made for this bundle alone.
    Raises InputError when the inputs are not those of the run.
    """
    document = run_json.dumps(run)
    if inputs.policy_digest(given) != run.policy_digest:
        message = "the policy that was kept is not the one of the run"
        raise InputError(
            [Mistake(inputs.FOLDER, 0, 0, message, expected=f"the policy with digest {run.policy_digest}")]
        )
    seed = key.seed(document)
    kinds, lines, data = _lines(run)
    tree = Tree.over(lines, seed)
    contents = {
        RUN: document,
        LEAVES: b"".join(line + b"\n" for line in lines),
        SEED: seed.hex().encode() + b"\n",
        CHECKS: checks(data),
        inputs.CALIBRATION: given[inputs.CALIBRATION],
        inputs.TARGET: given[inputs.TARGET],
        **{name: given[name] for name in sorted(given) if name.startswith(inputs.POLICY)},
    }
    del lines
    parts = {name: Part.of(name, content) for name, content in contents.items()}
    files = [file_of(parts[name], content) for name, content in contents.items()]
    public = keyless.written(key) if identity is not None else ""
    whole = statements.seal(statements.of_run(data, files, tree.root, kinds, expires, public), key)
    sealed = {
        RUN_STATEMENT: whole,
        TEST_STATEMENT: statements.seal(statements.of_tests(data, files, tree.root), key),
        **({TIMESTAMP: timestamp(whole)} if timestamp is not None else {}),
        **({SIGSTORE: identity(whole)} if identity is not None else {}),
    }
    return pack({name: Part.of(name, content) for name, content in sealed.items()} | parts)


def _lines(run: Run) -> tuple[dict[str, int], list[bytes], dict[str, Any]]:
    """How many leaves of each kind a run has, their lines, and the run as plain data without findings and observations.

    Claims become plain data one by one, for all of them at once would need many times the memory of the document.
    """
    kinds, lines = dict.fromkeys(KINDS, 0), []
    data = from_json(run_json.dumps(dataclasses.replace(run, claims=())))
    bare = dataclasses.replace(run, claims=(), waivers=(), overrides=(), sentences_without_promise=(), notes=())

    def add(found: Iterable[Leaf]) -> None:
        for leaf in found:
            kinds[leaf.kind] += 1
            lines.append(leaf.data)

    add(leaves(data))
    for claim in run.claims:
        (plain,) = from_json(run_json.dumps(dataclasses.replace(bare, claims=(claim,))))["claims"]
        add(leaves_of_claim(plain))
        for check in plain["checks"]:
            del check["findings"], check["observations"]
        data["claims"].append(plain)
    return kinds, lines, data


def checks(run: Mapping[str, Any]) -> bytes:
    """The part `checks.json`: the SHA-256 of the code of each check in the run, by its id."""
    digests = {check["id"]: check["code_digest"] for claim in run["claims"] for check in claim["checks"]}
    return (json.dumps(digests, indent=1, sort_keys=True) + "\n").encode()


def file_of(part: Part, content: bytes) -> File:
    """A part as the statement names it."""
    sha256 = hashlib.sha256(content).hexdigest()
    return File(part.name, part.size, sha256, len(part.stored), part.stored_digest())


def seed_in(content: bytes) -> bytes:
    """The seed that a part holds; raises Damaged for what is none."""
    try:
        seed = bytes.fromhex(content.decode("ascii").removesuffix("\n"))
    except ValueError:
        seed = b""
    if len(seed) != SALT or content != seed.hex().encode() + b"\n":
        raise Damaged("the seed of the salts is none")
    return seed


def run_in(content: bytes) -> dict[str, Any]:
    """The run that a part holds, as plain data; raises Damaged for what is no run of our format."""
    try:
        data = from_json(content)
    except ValueError:
        data = None
    if not isinstance(data, dict) or data.get("format") != run_json.FORMAT or not isinstance(data.get("claims"), list):
        raise Damaged(f"{RUN} is no run of the format {run_json.FORMAT}")
    return data


def same(leaf: Leaf, line: bytes) -> bool:
    """Whether a line of leaves.jsonl is that leaf: byte by byte, or else as JSON, for other writers may space it otherwise."""
    if leaf.data == line:
        return True
    try:
        return bool(from_json(line) == from_json(to_json(leaf.content)))
    except ValueError:
        return False
