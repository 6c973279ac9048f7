"""`upheld draft` as it is typed: what it writes is valid and says what it asks, and bad input gets a clear answer."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback import ROOT, web
from processes import upheld
from upheld.cli.main import cli
from upheld.errors import InputError

PAGES = ROOT / "tests" / "data" / "pages"
MARKDOWN = """# Security

All traffic is encrypted with TLS 1.2 or later. Data is encrypted in transit with TLS.
API authentication uses short-lived tokens. We are working toward SOC 2.

> “Quoted”: tokens are never logged # no comment {x: [y]} \\ 😀
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`upheld draft` in this process, which starts faster; as the command would end."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = int(cli.main(["draft", *arguments], standalone_mode=False))
        except InputError as error:
            code = 2
            err.write(str(error))
    return subprocess.CompletedProcess(["draft"], code, out.getvalue(), err.getvalue())


def claims(text: str) -> dict[str, dict[str, Any]]:
    return {one["statement"]: one for one in yaml.safe_load(text)["claims"]}


def test_a_page_becomes_a_policy_that_is_valid_and_asks_for_what_it_does_not_state(tmp_path: Path) -> None:
    (tmp_path / "SECURITY.md").write_text(MARKDOWN, encoding="utf-8")
    done = run(tmp_path, "SECURITY.md", "--out", "policies.yaml")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "policies.yaml").read_text(encoding="utf-8")
    made = claims(text)
    assert made["All traffic is encrypted with TLS 1.2 or later"]["checks"][0] == {
        "tls.refuses_old_versions": {"minimum": "TLS 1.2"}
    }
    unstated = made["Data is encrypted in transit with TLS"]
    assert "tls.accepts_current_versions" in unstated["checks"]
    assert "which version of TLS is the oldest that is let in" in unstated["note"]
    assert "# - tls.refuses_old_versions: {minimum: ?}" in text
    held = made["API authentication uses short-lived tokens"]
    assert "checks" not in held
    assert "how many minutes at most (sessions.tokens_are_short_lived: most_minutes)" in held["note"]
    assert "held back" in text
    quiet = {one["sentence"]: one["why"] for one in yaml.safe_load(text)["no_promise"]}
    assert quiet["We are working toward SOC 2"] == "Speaks of what is to come (“working toward”)."
    assert any(
        statement.startswith("“Quoted”: tokens are never logged # no comment {x: [y]} \\ 😀") for statement in made
    )
    assert "# line 3: promise, confidence high; says all" in text
    assert "# the target must describe: endpoints" in text
    valid = upheld(tmp_path, "validate", "--policy", "policies.yaml")
    assert valid.returncode == 0, valid.stdout + valid.stderr


@pytest.mark.parametrize(
    "page", sorted(one for one in PAGES.glob("*/*") if not one.name.endswith(".labels.yaml")), ids=lambda one: one.name
)
def test_every_labelled_page_becomes_a_policy_that_loads_and_is_the_same_each_time(tmp_path: Path, page: Path) -> None:
    first, second = run(tmp_path, str(page)), run(tmp_path, str(page))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    made = yaml.safe_load(first.stdout)
    said = {one for claim in made["claims"] for one in claim.get("sentences", [claim["statement"]])}
    assert len(said) + len(made.get("no_promise", ())) > 10


def test_a_page_at_an_address_is_bound_to_its_policy(tmp_path: Path) -> None:
    pages = {
        "/security": (200, {"Content-Type": "text/html"}, b"<nav>Home</nav><main><p>Logs are kept for 90 days.</p></main>"),
        "/SECURITY.md": (200, {"Content-Type": "text/plain"}, b"# Security\n\n- Backups are encrypted\n"),
        "/login": (401, {"Content-Type": "text/html"}, b"no"),
        "/away": (302, {"Location": "https://elsewhere.example/"}, b""),
        "/data": (200, {"Content-Type": "application/json"}, b"{}"),
        "/gone": (404, {"Content-Type": "text/html"}, b"gone"),
    }  # fmt: skip

    with web(pages) as port:
        base = f"http://127.0.0.1:{port}"
        done = run(tmp_path, f"{base}/security")
        assert done.returncode == 0, done.stderr
        made = claims(done.stdout)
        assert "Logs are kept for 90 days" in made
        assert (
            "publication.page_matches_policy"
            in made["The published page says what this policy says, sentence by sentence"]["checks"]
        )
        assert "Backups are encrypted" in claims(run(tmp_path, f"{base}/SECURITY.md").stdout)
        for path, said in (
            ("/login", "asks for a login"),
            ("/away", "which was not followed"),
            ("/data", "no page"),
            ("/gone", "answered 404"),
        ):
            refused = run(tmp_path, f"{base}{path}")
            assert refused.returncode == 2, path
            assert said in refused.stderr, path
    assert run(tmp_path, f"{base}/security").returncode == 2


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("", (), "is empty"),
        ("# Welcome\n\nWe take security seriously.\n", (), "promises nothing that could be checked, in 2 sentences"),
        (
            "\n\n".join(f"Sentence {number} says {'many words ' * 15}" for number in range(1_500)),
            (),
            "the page is too long",
        ),
        ("Logs are kept for 90 days.", ("--address", "nowhere"), "no IP address"),
        ("Logs are kept for 90 days.", ("--out", "page.md"), "the file is there already"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(
    tmp_path: Path, content: str, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "page.md").write_text(content, encoding="utf-8")
    done = run(tmp_path, "page.md", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["page.md"]
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == content


def test_another_language_is_recognised_and_left_to_a_person(tmp_path: Path) -> None:
    done = run(tmp_path, str(PAGES / "tuned" / "securite.html"))
    assert done.returncode == 0, done.stderr
    assert "in French" in done.stdout
    assert all("checks" not in one for one in yaml.safe_load(done.stdout)["claims"])


def test_a_policy_that_was_drafted_runs(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("Logs are kept for 90 days.\n", encoding="utf-8")
    (tmp_path / "target.yaml").write_text("upheld: target/1\nname: t\nenvironment: staging\n", encoding="utf-8")
    assert run(tmp_path, "page.txt", "--out", "policies.yaml").returncode == 0
    done = upheld(tmp_path, "run", "--target", "target.yaml", "--policy", "policies.yaml", "-n", "0")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "inconclusive" in done.stdout
