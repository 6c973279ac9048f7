"""The cache gives the verdict that the same inputs gave, or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upheld.caching import Cache
from upheld.gating.outcome import Outcome
from upheld.model import Verdict

from .conftest import GOOD, PLAIN, Project

ENTRIES = st.sampled_from(["app/a.py", "app/b.py", "app/deep/c.py", "app/settings.yaml", "README.md"])
TEXTS = st.sampled_from([None, GOOD, PLAIN, "ONE = 1\n", "url: http://shop.example.com/\n", "def broken(:\n"])


def told(outcome: Outcome) -> object:
    """All that a run says of its checks, but for when and from where."""
    return [
        (
            check.id,
            check.verdict,
            check.reason,
            check.population,
            [(one.subject, one.verdict, one.observed) for one in check.findings],
        )
        for claim in outcome.run.claims
        for check in claim.checks
    ]


def test_the_same_files_give_the_same_from_the_cache_also_when_not_committed(project: Project) -> None:
    first = project.gate(cache=True)
    again = project.gate(cache=True)
    assert (first.looked, first.cached, again.looked, again.cached) == (1, 0, 0, 1)
    assert told(first) == told(again)
    assert again.run.claims[0].checks[0].origin.startswith("cached: ")
    project.write("app/a.py", PLAIN)
    broken = project.gate(cache=True)
    assert (broken.code, broken.looked) == (1, 1)
    assert project.gate(cache=True).cached == 1
    project.write("app/a.py", GOOD)
    back = project.gate(cache=True)
    assert (back.code, back.cached) == (0, 1)


def test_other_parameters_another_target_or_another_check_is_something_else(project: Project) -> None:
    project.gate(cache=True)
    project.policy("own.has_no_plain_url: {host: other.example.com}")
    assert project.gate(cache=True).cached == 0
    project.policy("own.has_no_plain_url")
    assert project.gate(cache=True).cached == 1
    text = (project.folder / "target.yaml").read_text()
    project.write("target.yaml", text + "vantage: {name: elsewhere}\n")
    assert project.gate(cache=True).cached == 0
    project.write("target.yaml", text)
    assert project.gate(cache=True).cached == 1
    project.write("app/new.go", "package app\n")
    project.git("add", "-A")
    assert project.gate(cache=True).cached == 0


def test_what_was_not_observed_or_looks_outside_is_never_kept(project: Project) -> None:
    project.policy("own.says_good")
    project.gate(cache=True)
    assert project.gate(cache=True).cached == 0
    project.policy("own.has_no_plain_url")
    project.write("app/a.py", "def broken(:\n")
    first = project.gate(cache=True)
    assert first.run.claims[0].checks[0].verdict is Verdict.INCONCLUSIVE
    assert project.gate(cache=True).cached == 0


@pytest.mark.parametrize("how", ["verdict", "byte", "name", "empty", "seal"])
def test_an_entry_that_was_tampered_with_is_ignored_with_a_word(project: Project, how: str) -> None:
    project.write("app/a.py", PLAIN)
    project.gate(cache=True)
    project.write("app/b.py", "ONE = 2\n")
    project.gate(cache=True)
    foreign = next((project.beside / "cache" / "tls_in_code").rglob("*.json")).read_bytes()
    for path in sorted((project.beside / "cache").rglob("*.json")):
        data = path.read_bytes()
        if how == "verdict":
            path.write_bytes(data.replace(b'"fail"', b'"pass"').replace(b"http://", b"https:/"))
        elif how == "byte":
            path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
        elif how == "name":  # One that was made of something else, under this name.
            path.write_bytes(foreign)
        elif how == "empty":
            path.write_bytes(b"")
        else:
            seal, _, body = data.partition(b"\n")
            path.write_bytes(b"hmac-" + seal + b"\n" + body)
    outcome = project.gate(cache=True)
    assert outcome.code == 1
    assert outcome.looked == 1
    assert any(note.startswith("Ignored in the cache: ") for note in outcome.run.notes)


def test_a_key_keeps_those_out_who_do_not_have_it(project: Project) -> None:
    project.gate(cache=True, cache_key=b"ours")
    assert project.gate(cache=True, cache_key=b"ours").cached == 1
    other = project.gate(cache=True, cache_key=b"theirs")
    assert other.cached == 0
    assert any("another key sealed it" in note for note in other.run.notes)


def test_an_entry_that_was_forged_without_a_key_cannot_say_that_it_passed_over_nothing(project: Project) -> None:
    # A digest shows damage and not forgery: what is forged must at least look like an end that was observed.
    project.write("app/a.py", PLAIN)
    project.gate(cache=True)
    path = next((project.beside / "cache" / "check").rglob("*.json"))
    entry = json.loads(path.read_bytes().partition(b"\n")[2])
    entry["value"]["result"] |= {"verdict": "pass", "findings": []}
    cache = Cache(project.beside / "cache")
    body = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    path.write_bytes(cache._seal(body) + b"\n" + body)
    assert project.gate(cache=True).code == 1


def test_a_folder_that_takes_nothing_is_told_and_costs_nothing_else(project: Project) -> None:
    (project.beside / "cache").write_text("a file")
    outcome = project.gate(cache=True)
    assert (outcome.code, outcome.looked) == (0, 1)
    assert any(note.startswith(("The cache is not kept", "Ignored in the cache")) for note in outcome.run.notes)


def test_bandit_looks_only_at_the_files_that_are_new_to_it(project: Project) -> None:
    project.policy("code.bandit_finds_nothing_serious")
    project.write(
        "app/a.py", "import subprocess\n\n\ndef run(x):\n    subprocess.run(f'ls {x}', shell=True)  # nosec\n"
    )
    project.write("app/c.py", "import subprocess\n\n\ndef run(x):\n    subprocess.run(f'ls {x}', shell=True)\n")
    project.git("add", "-A")
    first = project.gate(cache=True)
    entries = len(list((project.beside / "cache" / "bandit").rglob("*.json")))
    assert entries == 3
    project.write("app/b.py", "import os\n")
    second = project.gate(cache=True)
    assert len(list((project.beside / "cache" / "bandit").rglob("*.json"))) == entries + 1
    assert told(first) == told(second)
    assert told(second) == told(project.gate())


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(ENTRIES, TEXTS), min_size=1, max_size=4), st.integers(0, 10_000))
def test_with_a_cache_every_verdict_is_that_without_one(
    project: Project, edits: list[tuple[str, str | None]], damage: int
) -> None:
    for path, text in edits:
        if text is None:
            (project.folder / path).unlink(missing_ok=True)
        else:
            project.write(path, text)
        project.git("add", "-A")
        entries = sorted((project.beside / "cache").rglob("*.json"))
        if entries and damage % 3 == 0:
            _damage(entries[damage % len(entries)], damage)
        assert told(project.gate(cache=True)) == told(project.gate())


def _damage(path: Path, number: int) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[number % len(data)] ^= 1 + number % 255
        path.write_bytes(bytes(data))


def test_a_gate_loads_no_family_that_the_policy_does_not_use_and_no_driver_of_a_database(project: Project) -> None:
    project.policy("code.bandit_finds_nothing_serious")
    project.gate(cache=True)
    code = (
        "import sys\n"
        "from upheld.cli.main import cli\n"
        "print(cli.main(['gate', '--cache', '../cache', '--out', '../out'], standalone_mode=False))\n"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True, timeout=120)
    assert "(0 checks looked, 1 cached" in done.stdout
    loaded = done.stderr.splitlines()
    families = {name.partition(".")[2] for name in loaded if name.startswith("upheld_checks_")}
    assert families == {"", "code"}
    assert not {"sqlalchemy", "jinja2", "sslyze"} & set(loaded)
