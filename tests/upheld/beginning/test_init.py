"""`upheld init`: two files that are valid and run at once, from looks that change nothing, over nothing that was there."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback import Page, Pki, free_port, raw, server_context, web
from processes import COMMAND, upheld
from upheld.cli.main import cli
from upheld.errors import InputError
from upheld.target.load import load_target

SECURITY = """<!doctype html><title>x</title><nav>Home</nav><main><h1>Security</h1><p>How we protect your data.</p>
<h2>In transit</h2><ul><li>All traffic is encrypted with TLS 1.2 or later.</li><li>HSTS is enabled on all pages.</li>
<li>We plan to require TLS 1.3 or later.</li><li>Message logs are kept for 90 days</li>
<li>“Quoted”: a # comment, {brace} [x] \\ 'single' \t 日本語 😀 &lt;script&gt;</li></ul><h3>TLS 1.2+</h3></main>"""


def begin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`upheld init` in this process, which starts faster; as the command would end."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = int(cli.main(["init", *arguments], standalone_mode=False))
        except InputError as error:
            code = 2
            err.write(str(error))
    return subprocess.CompletedProcess(["init"], code, out.getvalue(), err.getvalue())


def written(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    made = [yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in ("target.yaml", "policies.yaml")]
    return made[0], made[1]


def statuses(folder: Path) -> dict[str, str]:
    """What a run of the two files came to."""
    done = upheld(folder, "run", "--target", "target.yaml", "--policy", "policies.yaml", "-n", "0", "--out", "run")
    assert done.returncode in {0, 1, 3}, done.stdout + done.stderr
    run = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    return {claim["id"]: claim["status"] for claim in run["claims"]}


def by_statement(policy: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {claim["statement"]: claim for claim in policy["claims"]}


def test_a_plain_file_server_of_others_gets_a_starter_that_runs(tmp_path: Path):
    """Python's own `http.server`, as anybody starts it."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "index.html").write_text("<p>hello", encoding="utf-8")
    port = free_port()
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(tmp_path / "served")]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(50):  # It may not listen yet.
            done = begin(tmp_path, "--url", f"http://127.0.0.1:{port}", "--force")
            if "answers 200" in (tmp_path / "target.yaml").read_text(encoding="utf-8"):
                break
        assert done.returncode == 0, done.stderr
        assert "starter claims, which nobody published" in done.stdout
        assert upheld(tmp_path, "validate", "--policy", "policies.yaml", "--target", "target.yaml").returncode == 0
        assert statuses(tmp_path) == {"starter-plain-http": "refuted", "starter-client-code": "upheld"}
    finally:
        server.terminate()
        server.wait(10)
    target, policy = written(tmp_path)
    assert target["environment"] == "production"
    assert all(claim["origin"] == "policy" and claim["statement"].startswith("Starter: ") for claim in policy["claims"])
    text = (tmp_path / "policies.yaml").read_text(encoding="utf-8")
    assert "# A STARTER: nobody published these words." in text
    described = (tmp_path / "target.yaml").read_text(encoding="utf-8")
    for part in ("api", "repository", "forge", "database", "logs", "registers", "host", "backups", "publication"):
        assert f"\n# {part}:" in described, part
    assert "# not found out: an OpenAPI document: none stands at /openapi.json" in described


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5; types {{ text/html html; text/plain txt; application/json json; }}
  server {{
    listen 127.0.0.1:{port} ssl; server_name shop.example; root {folder}/served;
    ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.2 TLSv1.3;
    add_header Strict-Transport-Security "max-age=86400" always;
    error_page 497 =301 https://$host:$server_port$request_uri;
  }}
}}
"""
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "shop", "version": "1"},
    "security": [{"bearer": []}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {"/me": {"get": {"operationId": "getMe", "responses": {}}}, "/in": {"post": {"operationId": "logIn", "security": [], "responses": {}}},
              "/a\u202e\u0085": {"post": {"operationId": "make: #\u202e", "responses": {}}}, "/a\u202e\u0085/{id}": {"get": {"operationId": "show"}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """nginx with a security page and an OpenAPI document; its URL and the file of the authority that signs for it."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    pki, port = Pki(folder), free_port()
    (folder / "served" / "api").mkdir(parents=True)
    (folder / "served" / "security.html").write_text(SECURITY, encoding="utf-8")
    (folder / "served" / "index.html").write_text("<p>hello", encoding="utf-8")
    (folder / "served" / "api" / "openapi.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    made = NGINX.format(folder=folder, port=port, certificate=pki.issue("shop.example"))
    (folder / "nginx.conf").write_text(f"user root;{made}" if os.geteuid() == 0 else made, encoding="utf-8")
    server = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    try:
        while not (folder / "nginx.pid").exists():
            assert server.poll() is None, (folder / "error.log").read_text(encoding="utf-8")
        yield f"https://shop.example:{port}", pki.ca
    finally:
        server.terminate()
        server.wait(10)


def test_a_security_page_becomes_a_policy_that_runs(nginx: tuple[str, Path], tmp_path: Path):
    url, ca = nginx
    page = f"{url}/security.html"
    done = begin(tmp_path, "--url", url, "--page", page, "--ca", str(ca), "--address", "127.0.0.1")
    assert done.returncode == 0, done.stderr
    target, policy = written(tmp_path)
    assert target["api"] == {
        "endpoint": "shop.example",
        "openapi": "/api/openapi.json",
        "parameters": {"id": "a"},
        "objects": {"a": {"create": "make: #\u202e", "read": "show"}},
    }
    assert target["publication"] == {"page": page, "main": "main"}
    described = (tmp_path / "target.yaml").read_text(encoding="utf-8")
    assert "# 4 operations, of which 3 ask for a login, as the document says" in described
    assert "# inferred: make: #" in described
    assert not {"\u202e", "\u0085"} & set(described)
    assert "# accepts TLS 1.2, TLS 1.3" in described
    assert "# Strict-Transport-Security: max-age=86400" in described
    assert "# security.txt answers 404" in described
    claims = by_statement(policy)
    assert claims["All traffic is encrypted with TLS 1.2 or later"]["checks"] == [
        {"tls.refuses_old_versions": {"minimum": "TLS 1.2"}},
        "tls.accepts_current_versions",
        "web.plain_http_only_redirects",
    ]
    assert claims["Message logs are kept for 90 days"]["checks"] == [
        {"retention.nothing_is_older_than_its_period": {"days": 90}},
        {"retention.aged_records_are_removed": {"days": 90}},
    ]
    quiet = {one["sentence"]: one["why"] for one in policy["no_promise"]}
    assert quiet["In transit"] == "A heading."
    assert quiet["We plan to require TLS 1.3 or later"].startswith("Speaks of what is to come")
    assert quiet["How we protect your data"].startswith("No promise was recognised in it")
    assert "“Quoted”: a # comment, {brace} [x] \\ 'single' 日本語 😀 <script>" in {*quiet, *claims}
    found = statuses(tmp_path)
    assert found[claims["All traffic is encrypted with TLS 1.2 or later"]["id"]] == "upheld"
    assert found[claims["HSTS is enabled on all pages"]["id"]] == "upheld"
    assert found[claims["TLS 1.2+"]["id"]] == "upheld"
    assert found["page-matches-policy"] == "upheld"
    assert found[claims["Message logs are kept for 90 days"]["id"]] == "inconclusive"
    assert set(found.values()) == {"upheld", "inconclusive"}


def test_only_gets_are_sent_and_only_to_what_was_named(tmp_path: Path):
    asked: list[str] = []

    def answer(method: str, path: str, headers: Mapping[str, str]) -> Page:
        asked.append(f"{method} {path}")
        return (302, {"Location": f"http://127.0.0.1:{stranger}/"}, b"") if path == "/" else (404, {}, b"")

    touched: list[str] = []
    with raw(lambda connection, _stop: touched.append("touched")) as stranger, web(answer) as port:
        done = begin(tmp_path, "--url", f"http://127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    assert not touched
    assert asked
    assert all(one.startswith("GET ") for one in asked)
    assert "which was not followed: add an endpoint where it is yours" in (tmp_path / "target.yaml").read_text(
        encoding="utf-8"
    )


def test_a_dead_address_is_written_as_one_and_is_inconclusive(tmp_path: Path):
    done = begin(tmp_path, "--url", f"https://127.0.0.1:{free_port()}")
    assert done.returncode == 0, done.stderr
    assert "# not found out: /: connection refused" in (tmp_path / "target.yaml").read_text(encoding="utf-8")
    found = statuses(tmp_path)
    assert "upheld" not in found.values()
    assert found["starter-tls"] == "inconclusive"


def test_nothing_that_is_there_is_overwritten(tmp_path: Path):
    (tmp_path / "policies.yaml").write_text("mine", encoding="utf-8")
    done = begin(tmp_path, "--url", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "policies.yaml: the file is there already; expected --force" in done.stderr
    assert (tmp_path / "policies.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "target.yaml").exists()
    (tmp_path / "policies.yaml").unlink()
    (tmp_path / "target.yaml").symlink_to(tmp_path / "elsewhere")
    assert begin(tmp_path, "--url", "http://127.0.0.1:1").returncode == 2
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no address was named"),
        (("--url", "ftp://example.com"), "no address of a deployment"),
        (("--url", "https://user:secret@example.com"), "no address of a deployment"),
        (("--url", "https://example.com:99999"), "no address of a deployment"),
        (("--url", "http://127.0.0.1:1", "--page", "absent.html"), "--page: the file does not exist"),
        (("--url", "http://127.0.0.1:1", "--openapi", "absent.json"), "--openapi: the file does not exist"),
        (("--url", "http://127.0.0.1:1", "--repository", "absent"), "--repository: is no folder"),
        (("--url", "http://127.0.0.1:1", "--address", "localhost"), "--address: no IP address"),
    ],
)
def test_wrong_input_is_said_and_nothing_is_written(tmp_path: Path, arguments: tuple[str, ...], said: str):
    done = begin(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_a_deployment_says_cannot_leave_its_comment_or_its_quotes(tmp_path: Path):
    hostile = 'max-age=1"\x85evil: true\u2028environment: staging \x1b[31m# {{'
    page = f'<main><p>One: "two"\\n {{x: y}} - # &#27;[31m &#133; &#8232;three</p><p>Logs are kept for 90 days: "two"\\n {{x: y}} - # &#8232;</p><p>{"long " * 900}</p></main>'
    pki = Pki(tmp_path)
    head = {
        "Strict-Transport-Security": hostile.encode("utf-8").decode("latin-1"),
        "Content-Type": "text/html; charset=utf-8",
    }
    with web(lambda *_: (200, head, page.encode()), server_context(pki.issue("www.rivet.example"))) as port:
        url = f"https://www.rivet.example:{port}"
        done = begin(
            tmp_path,
            "--url",
            url,
            "--page",
            f"{url}/",
            "--ca",
            "ca.pem",
            "--address",
            "127.0.0.1",
            "--out",
            "made",
        )
    assert done.returncode == 0, done.stderr
    target, _ = written(tmp_path / "made")
    assert target["environment"] == "production"
    assert "evil" not in target
    text = (tmp_path / "made" / "target.yaml").read_text(encoding="utf-8")
    assert not set("\x1b\x85\u2028") & set(text + done.stdout)
    assert "which are too long or hold control characters" in (tmp_path / "made" / "policies.yaml").read_text(
        encoding="utf-8"
    )
    load_target(tmp_path / "made" / "target.yaml")


def test_a_repository_is_read_with_its_forge_and_pipelines(tmp_path: Path):
    clone = tmp_path / "clone"
    (clone / ".github" / "workflows").mkdir(parents=True)
    (clone / ".github" / "workflows" / "ci.yml").write_text(
        "on: push\njobs: {a: {runs-on: x, steps: [{run: make}]}}\n", encoding="utf-8"
    )
    git = ("git", "-C", str(clone), "-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Begin"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:example/shop.git"], check=True)
    done = begin(tmp_path, "--url", "http://127.0.0.1:1", "--repository", "clone", "--out", "made")
    assert done.returncode == 0, done.stderr
    target, policy = written(tmp_path / "made")
    assert target["repository"] == {"path": str(tmp_path / "clone"), "branch": "main"}
    assert target["forge"] == {"kind": "github", "url": "https://api.github.com", "owner": "example", "repository": "shop", "token": "env:FORGE_AUDIT_TOKEN"}  # fmt: skip
    assert "# pipelines: .github/workflows/ci.yml" in (tmp_path / "made" / "target.yaml").read_text(encoding="utf-8")
    assert {claim["id"] for claim in policy["claims"]} >= {"starter-repository", "starter-updates"}
    assert statuses(tmp_path / "made")["starter-repository"] == "upheld"


def test_a_page_in_a_file_of_markdown(tmp_path: Path):
    (tmp_path / "SECURITY.md").write_text(
        "# Security\n\n## Transport\n\n- All **traffic** is encrypted with [TLS 1.2](x) or later.\n- We care.\n",
        encoding="utf-8",
    )
    done = begin(tmp_path, "--url", "http://127.0.0.1:1", "--page", "SECURITY.md")
    assert done.returncode == 0, done.stderr
    target, policy = written(tmp_path)
    assert "publication" not in target
    claim = by_statement(policy)["All traffic is encrypted with TLS 1.2 or later"]
    assert claim["section"] == "Transport"
    assert "page-matches-policy" not in {one["id"] for one in policy["claims"]}


def test_on_a_terminal_it_asks_for_what_is_missing(tmp_path: Path):
    leader, follower = pty.openpty()
    os.write(leader, b"http://127.0.0.1:1\n\n\n\n")
    done = subprocess.run(
        [*COMMAND, "init"], cwd=tmp_path, stdin=follower, capture_output=True, text=True, timeout=120, check=False
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == 0, done.stderr
    for asked in ("URL of the deployment", "OpenAPI document", "Clone of the repository", "Security page"):
        assert asked in done.stdout
    assert written(tmp_path)[0]["endpoints"][0]["url"] == "http://127.0.0.1:1"
