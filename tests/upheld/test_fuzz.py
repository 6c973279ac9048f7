"""Damaged policies, targets and fleets by the thousand: each is loaded, or refused with file, line and what was expected.

A plain run takes a few hundred; `nox -s fuzz` takes 100,000 (`UPHELD_FUZZ`, the number for all tests together), in rounds that
are spread over all cores: hypothesis remembers all that it has tried in one round, and takes longer and longer over it. Every input is
loaded under a limit of processor time, so that one on which a loader hangs is found and named, however busy the machine is.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import math
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from upheld import documents
from upheld.catalogue import Catalogue, make_check
from upheld.doctor.advice import SAMPLE
from upheld.errors import InputError, Mistake
from upheld.fleet.members import Fleet, load_fleet
from upheld.fleet.policies import Known
from upheld.policies import load
from upheld.target.load import load_target
from upheld.yaml_core import Limits, compose

from ..fuzzing import told

INPUTS = int(os.environ.get("UPHELD_FUZZ", "360"))
DAMAGED, RESHAPED, BOMBS, TAKEN_IN = 0.16, 0.14, 0.03, 0.01
"""The share that each test takes of them: for policies, for targets and for fleets; and for what a fleet takes in, by each kind of file."""
ROUND = 1_000
"""Inputs of one round."""
SECONDS = 10.0
"""Of processor time that one input may take."""
MEGABYTES = 1024
"""Of memory that all of it may take."""

CHECKS = '''
from upheld import OBSERVED, check
from upheld.probes.clock import Clock
from upheld.probes.tls import TlsVersion
@check(basis=OBSERVED)
def is_kept(clock: Clock, *, days: int = 90, minimum: TlsVersion = TlsVersion.TLS_1_2, names: tuple[str, ...] = ()):
    """It is kept."""
    yield
@check(basis=OBSERVED)
def is_plain(clock: Clock):
    """It is plain."""
    yield
'''
POLICY = """# A policy with everything that one may hold
upheld: policy/1
name: Example shop
publication: {source: "https://www.example.com/security", title: Security, published_at: 2026-01-01}
claims:
  - id: transit-tls12
    statement: "All traffic is encrypted with TLS 1.2 or later."
    sentences: ["All traffic is encrypted with TLS 1.2 or later."]
    section: Security
    severity: critical
    owner: platform
    references: {soc2: [CC6.7], iso27001: [A.8.24], popia: ["s19(1)"], gdpr: ["Art. 32(1)(a)"]}
    checks:
      - &kept own.is_kept: {days: 30, minimum: TLS 1.2, names: [a, b]}
      - own.is_plain
  - id: everything
    statement: >-
      All sensitive data
      is encrypted
    section: Security
    severity: low
    owner: platform
    gated: false
    accept_attested: true
    note: |
      By the other.
    decided_by: [transit-tls12]
  - {id: bare, statement: Nothing decides it, section: S, severity: high, owner: o, origin: policy, checks: [{own.is_plain: null, not_applicable: because}]}
no_promise:
  - {sentence: "We take security seriously.", why: "an attitude"}
"""
TARGET = SAMPLE.read_text(encoding="utf-8")
FLEET = """# A fleet with everything that one may hold
format: upheld-fleet/1
name: production
policy: policies.yaml
at_once: 8
limits: {per_second: 20.5, burst: 2, hosts: {www.acme.example: {requests: 500}}, database: {per_second: 1}}
targets:
  - name: acme
    file: targets/acme.yaml
    policy: policies.yaml
    claims: [bare, everything]
    waivers: waivers.yaml
    overlay: {environment: production, ca: null, limits: {requests: 7}, endpoints: [{name: www, url: "https://www.acme.example"}]}
  - glob: "targets/eu-*.yaml"
    overlay: &limits {check_seconds: 30}
  - {template: tenant.yaml, with: tenants.csv, overlay: *limits}
  - template: tenant.yaml
    with:
      - {name: a, host: a.example, port: 443, address: 192.0.2.1, contact: a@b.example}
      - {name: b, host: b.example, port: 8443, address: null, contact: null}
"""
TAKEN = {
    "targets/acme.yaml": "upheld: target/1\nname: Acme\nenvironment: staging\nca: ca.pem\n",
    "targets/eu-1.yaml": "{upheld: target/1, name: One, environment: staging}",
    "tenant.yaml": """upheld: target/1
name: $$ Tenant ${name}
environment: staging
endpoints:
  - {name: www, url: "https://${host}:${port}/", address: "${address}"}
limits: {hosts: {"${host}": {burst: 3}}}
contact: ${contact}
""",
    "tenants.csv": 'name,host,port,address,contact\r\nc,"c.example",443,192.0.2.2,\r\n"d",d.example,80,,\r\n',
    "waivers.yaml": "waivers: []\n",
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    names: dict[str, Any] = {}
    exec(compile(CHECKS, "own.py", "exec"), names)
    return Catalogue(make_check(f"own.{name}", names[name], file="own.py") for name in ("is_kept", "is_plain"))


@pytest.fixture(scope="module", autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Says in the end what has been loaded, how fast, and in how much memory, which is bounded; a worker of several tells the others."""
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform != "darwin" else 1024**2)
    worker: dict[str, Any] | None = getattr(request.config, "workeroutput", None)
    if worker is not None:
        worker["fuzzed"] = {**LOADED, "megabytes": peak}
    else:
        capturing = request.config.pluginmanager.getplugin("capturemanager")
        with capturing.global_and_fixture_disabled() if capturing else contextlib.nullcontext():
            print(f"\n{told([{**LOADED, 'megabytes': peak}])}")
    if INPUTS >= ROUND:
        assert peak < MEGABYTES


# --- what is done to a file ------------------------------------------------------------------------------------------

ODD = st.sampled_from(
    ["", "\0", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\ufffe", "\U000e0041", "é", "e\u0301", "日本", "\U0001f600", "ﬁ", "\t", "\r", "\r\n",
     "~", "null", "true", "no", "0o17", "0x1F", "1e999", ".nan", "-.inf", "1_000", "9" * 500, "2026-13-45", "2026-11-26T25:61:00Z", "<<", "=", "!!python/object:os.system",
     "env:", "env:A", "file:", "file:/dev/zero", "https://", "http://[::1", "https://a:99999", "{random}", "{", "%", "@", "`", "*a", "&a", "? ", "- ", ": ", "...", "---", "%YAML 9.9",
     "TLS 9.9", "CC99.99", "../" * 50, "/dev/zero", "policies.yaml", "a" * 70_000, "((((((((((a+)+)+)+)+)+", "[[[[", "}}}}", "'", '"', "\\", "|", ">-9", "#"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ODD | st.text(max_size=8)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """The file with some of its bytes cut, doubled, moved, overwritten or put in between."""
    raw = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.integers(0, 40)))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            raw = raw[:start] + raw[end:]
        elif kind == 1:
            raw = raw[:end] + raw[start:end] * draw(st.integers(1, 5)) + raw[end:]
        elif kind == 2:
            raw = raw[:start] + draw(st.binary(max_size=6)) + raw[end:]
        elif kind == 3:
            raw = raw[:start] + draw(ODD).encode("utf-8", "surrogatepass") + raw[end:]
        else:
            to = draw(st.integers(0, len(raw)))
            raw = raw[:to] + raw[start:end] + raw[to:]
    return raw


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every part of a document is."""
    yield at
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*at, key))


def changed(value: Any, at: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not at:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], change)
    return copy


@st.composite
def reshaped(draw: st.DrawFn, data: Any, known: tuple[tuple[Any, ...], ...]) -> bytes:
    """The document with parts of it replaced, taken out, renamed, doubled, wrapped or nested deep, written as YAML or JSON."""
    at = draw(st.sampled_from(known))
    kind = draw(st.integers(0, 7))
    other = draw(SCALARS)
    if kind == 0:
        made = changed(data, at, lambda _: other)
    elif kind == 1:
        made = changed(data, at, lambda value: [value] * draw(st.integers(0, 3)))
    elif kind == 2:
        made = changed(data, at, lambda value: {str(other): value})
    elif kind == 3:
        made = changed(data, at, lambda value: dict(list(value.items())[1:]) if isinstance(value, dict) else [])
    elif kind == 4:
        made = changed(data, at, lambda value: {**value, str(other): other} if isinstance(value, dict) else value)
    elif kind == 5:
        elsewhere = draw(st.sampled_from(known))
        taken = data
        for part in elsewhere:
            taken = taken[part]
        made = changed(data, at, lambda _: taken)
    elif kind == 6:
        depth = draw(st.integers(1, 60))

        def nested(value: Any) -> Any:
            for number in range(depth):
                value = [value] if number % 2 else {"a": value}
            return value

        made = changed(data, at, nested)
    else:
        made = changed(data, at, lambda value: value * 2 if isinstance(value, list | str) else value)
    if draw(st.booleans()):
        return json.dumps(made, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return str(yaml.dump(made, Dumper=DUMPER, allow_unicode=True, width=10_000)).encode("utf-8", "surrogatepass")


DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@st.composite
def bombs(draw: st.DrawFn, text: str) -> bytes:
    """What is small as a file and large once it is read, or deep, or long, or of another encoding; alone or after a good file."""
    many = draw(st.integers(1, 40) | st.integers(1, 3_000) | st.integers(1, 40_000))
    made = [
        "a: &a [x, x]\n" + "".join(f"k{i}: &k{i} [{', '.join(['*' + ('a' if not i else f'k{i - 1}')] * 9)}]\n" for i in range(min(many, 40))),
        "claims: " + "[" * many,
        "claims: " + "{a: " * many,
        "claims: " + "[" * many + "]" * many,
        "- " * many + "x",
        "? " * many,
        "\n".join(f"{' ' * i}a:" for i in range(min(many, 300))),
        f"name: {'x' * many * 10}",
        "name: '" + "''" * many + "'",
        "\n".join(f"k{i}: v" for i in range(many)),
        "\n".join("name: v" for _ in range(many)),
        f"name: &{'a' * many} b",
        f"name: *{'a' * many}",
        f"name: !{'a' * many} b",
        "a: &a {b: *a}\n",
        "<<: {a: b}\n" * min(many, 50),
        "---\na: b\n" * min(many, 3_000),
        'name: "' + r"\u202e" * min(many, 200) + '"',
        "%TAG ! tag:x,2000:\n---\nname: !a b\n",
        "#" * many + "\n",
        f"claims: [{'{id: a}, ' * min(many, 3_000)}]",
        f"upheld: target/1\nname: x\nenvironment: staging\nendpoints: [{'{name: a, url: x}, ' * min(many, 3_000)}]",
        f"extends: [{'policies.yaml, ' * min(many, 3_000)}]",
        f"include: {'a' * many}",
    ]  # fmt: skip
    bomb = draw(st.sampled_from(made))
    whole = (
        draw(st.sampled_from(["{bomb}", "{text}{bomb}", "{bomb}\n{text}"]))
        .replace("{bomb}", bomb)
        .replace("{text}", text)
    )
    return whole.encode(
        draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])), "replace"
    )


# --- what is asked of every one --------------------------------------------------------------------------------------


class HungError(Exception):
    """A loader took more processor time than any input is worth."""


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    def over(*_: object) -> None:
        raise HungError

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


OF_THE_WHOLE_FILE = re.compile(
    "the file is too large|no valid YAML|the file cannot be read|the file name is not valid|does not exist|is no regular file|is a folder"
)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f]")
LOADED = {"accepted": 0, "refused": 0, "seconds": 0.0}


def asked(
    file: Path, raw: bytes, loading: Callable[[Path], object], *, whole: Path | None = None, others: Path | None = None
) -> None:
    """Load it; whatever comes must be a value, or mistakes that say where, what, and what was expected.

    `whole` is loaded where `file` is only a part of it; a mistake may stand in files below `others`, too.
    """
    file.write_bytes(raw)
    began = time.process_time()
    try:
        with bounded():
            loading(whole or file)
        LOADED["accepted"] += 1
        return
    except InputError as error:
        mistakes = error.mistakes
        LOADED["refused"] += 1
    finally:
        LOADED["seconds"] += time.process_time() - began
    assert mistakes
    lines: dict[str, int] = {}
    for one in mistakes:
        said = str(one)
        if one.file not in lines:
            known = Path(one.file) == file or (others is not None and Path(one.file).resolve().is_relative_to(others))
            assert known, said
            lines[one.file] = lines_of(Path(one.file))
        assert 1 <= one.line <= lines[one.file] or OF_THE_WHOLE_FILE.search(one.message), said
        assert one.column >= 1 or not one.line, said
        assert one.message
        assert one.expected or one.nearest or ": " in one.message, f"not said what was expected: {said}"
        assert len(said) < 5_000, said[:300]
        assert not CONTROLS.search(said), ascii(said)


def lines_of(file: Path) -> int:
    """How many lines it has at the most, by all that may end one."""
    raw = file.read_bytes() if file.is_file() else b""
    text = raw.decode("utf-8", "replace")
    return raw.count(b"\n") + raw.count(b"\r") + text.count("\x85") + text.count("\u2028") + 2


class Raw(bytes):
    """Bytes that are shown cut: hypothesis warns of a long example."""

    def __repr__(self) -> str:
        shown = super().__repr__()
        return shown if len(shown) < 10_000 else f"{shown[:10_000]}… ({len(self)} bytes)"


def many(strategy: st.SearchStrategy[bytes], share: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Ask this of many inputs; in a plain run the same each time, and shrunk when one fails."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        unhealthy = [
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.differing_executors,
        ]
        inputs = math.ceil(INPUTS * share)
        rounds = math.ceil(inputs / ROUND)
        each = math.ceil(inputs / rounds)
        configured = settings(
            max_examples=each,
            deadline=None,
            database=None,
            derandomize=INPUTS < ROUND,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=unhealthy,
        )
        asking = configured(given(raw=strategy.map(Raw))(test))

        @pytest.mark.parametrize("turn", range(rounds))
        @functools.wraps(test)
        def one_round(turn: int, **fixtures: Any) -> None:
            del turn
            before = LOADED["accepted"] + LOADED["refused"]
            asking(**fixtures)
            tried = LOADED["accepted"] + LOADED["refused"] - before
            assert tried >= each, f"only {tried} of {each} inputs were loaded"

        signature = inspect.signature(test)
        kept = [one for name, one in signature.parameters.items() if name != "raw"]
        turn = inspect.Parameter("turn", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        one_round.__signature__ = signature.replace(parameters=[turn, *kept])  # type: ignore[attr-defined]
        return one_round

    return mark


POLICY_DATA = compose(POLICY, "policies.yaml", Limits()).data
TARGET_DATA = compose(TARGET, "target.yaml", Limits()).data
FLEET_DATA = compose(FLEET, "fleet.yaml", Limits()).data


@many(damaged(POLICY), DAMAGED)
def test_damaged_policies(tmp_path: Path, catalogue: Catalogue, raw: bytes) -> None:
    asked(tmp_path / "policies.yaml", raw, lambda file: load(file, catalogue, today=date(2026, 1, 1)))


@many(reshaped(POLICY_DATA, tuple(places(POLICY_DATA))), RESHAPED)
def test_reshaped_policies(tmp_path: Path, catalogue: Catalogue, raw: bytes) -> None:
    asked(tmp_path / "policies.yaml", raw, lambda file: load(file, catalogue, today=date(2026, 1, 1)))


@many(bombs(POLICY), BOMBS)
def test_policies_that_are_bombs(tmp_path: Path, catalogue: Catalogue, raw: bytes) -> None:
    asked(tmp_path / "policies.yaml", raw, lambda file: load(file, catalogue, today=date(2026, 1, 1)))


@many(damaged(TARGET), DAMAGED)
def test_damaged_targets(tmp_path: Path, raw: bytes) -> None:
    asked(tmp_path / "target.yaml", raw, load_target)


@many(reshaped(TARGET_DATA, tuple(places(TARGET_DATA))), RESHAPED)
def test_reshaped_targets(tmp_path: Path, raw: bytes) -> None:
    asked(tmp_path / "target.yaml", raw, load_target)


@many(bombs(TARGET), BOMBS)
def test_targets_that_are_bombs(tmp_path: Path, raw: bytes) -> None:
    asked(tmp_path / "target.yaml", raw, load_target)


class Policies:
    """The policies of a fleet: only POLICY itself, for policies are damaged by tests of their own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "policies.yaml"

    def policy(self, path: Path) -> Known:
        if path == self.file:
            return Known("", {"transit-tls12": {"own.is_kept"}, "everything": (), "bare": ()}, ["own.is_kept"])
        raise InputError([Mistake(str(path), 0, 0, "the file does not exist", expected="a YAML file")])

    def waivers(self, path: Path, known: Known) -> str:
        return documents.load(path).digest


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """The path of a fleet in a folder with all that it takes in."""
    (tmp_path / "targets").mkdir()
    for name, text in TAKEN.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    return tmp_path / "fleet.yaml"


def load_undamaged(file: Path) -> Fleet:
    return load_fleet(file, Policies(file.parent))


def test_the_fleet_is_whole_before_it_is_damaged(fleet: Path) -> None:
    assert [one.name for one in load_undamaged(fleet).members] == ["acme", "eu-1", "c", "d", "a", "b"]


@many(damaged(FLEET), DAMAGED)
def test_damaged_fleets(fleet: Path, raw: bytes) -> None:
    asked(fleet, raw, load_undamaged, others=fleet.parent)


@many(reshaped(FLEET_DATA, tuple(places(FLEET_DATA))), RESHAPED)
def test_reshaped_fleets(fleet: Path, raw: bytes) -> None:
    asked(fleet, raw, load_undamaged, others=fleet.parent)


@many(bombs(FLEET), BOMBS)
def test_fleets_that_are_bombs(fleet: Path, raw: bytes) -> None:
    asked(fleet, raw, load_undamaged, others=fleet.parent)


@many(damaged(TAKEN["tenant.yaml"]), TAKEN_IN)
def test_damaged_templates(fleet: Path, raw: bytes) -> None:
    asked(fleet.parent / "tenant.yaml", raw, load_undamaged, whole=fleet, others=fleet.parent)


@many(damaged(TAKEN["tenants.csv"]), TAKEN_IN)
def test_damaged_tables(fleet: Path, raw: bytes) -> None:
    asked(fleet.parent / "tenants.csv", raw, load_undamaged, whole=fleet, others=fleet.parent)
