"""What browsers are given: a bundle that is what its sources say, and neither it nor its map has a secret."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

import upheld_reference.edge
from upheld_reference.deployment import Deployment

CLIENT = Path(upheld_reference.edge.__file__).with_name("client")
STATIC = CLIENT.with_name("static")
Request = Callable[..., httpx.Response]


def served(deployment: Deployment, request_of: Request) -> dict[str, str]:
    """The bundle, its map as it is, and every source in the map, by file name."""
    files = {name: request_of(deployment, "app", f"/{name}").text for name in ("app.js", "app.js.map")}
    source_map = json.loads(files["app.js.map"])
    for name, content in zip(source_map["sources"], source_map["sourcesContent"], strict=True):
        files[f"source-{Path(name).name}"] = content
    return files


def secrets_in(files: Mapping[str, str], folder: Path) -> dict[str, set[str]]:
    """What detect-secrets finds in each file: the kinds of secret by file name."""
    pytest.importorskip("detect_secrets", reason="detect-secrets is not installed")
    for name, content in files.items():
        folder.joinpath(name).write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "detect_secrets", "scan", "--all-files", "--no-verify", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    found: dict[str, set[str]] = {}
    for name, hits in json.loads(done.stdout)["results"].items():
        found[Path(name).name] = {hit["type"] for hit in hits}
    return found


def test_bundle_and_map_are_served_as_they_are_committed(deployment: Deployment, request_of: Request) -> None:
    for name, media_type in (("app.js", "text/javascript; charset=utf-8"), ("app.js.map", "application/json")):
        answer = request_of(deployment, "app", f"/{name}")
        assert answer.headers["content-type"] == media_type
        assert answer.content == STATIC.joinpath(name).read_bytes()


def test_the_map_is_valid_and_has_the_sources_of_the_tree() -> None:
    source_map = json.loads(STATIC.joinpath("app.js.map").read_text(encoding="utf-8"))
    assert source_map["version"] == 3
    assert source_map["mappings"]
    bundled = {}
    for name, content in zip(source_map["sources"], source_map["sourcesContent"], strict=True):
        bundled[(STATIC / name).resolve()] = content
    assert bundled == {path.resolve(): path.read_text(encoding="utf-8") for path in CLIENT.glob("*.js")}
    assert STATIC.joinpath("app.js").read_text(encoding="utf-8").endswith("//# sourceMappingURL=app.js.map\n")


def test_the_mappings_lead_into_the_sources() -> None:
    source_map = json.loads(STATIC.joinpath("app.js.map").read_text(encoding="utf-8"))
    lines = STATIC.joinpath("app.js").read_text(encoding="utf-8").split("\n")
    assert source_map["mappings"].count(";") < len(lines)
    source = line = column = 0
    seen = set()
    for segment in source_map["mappings"].replace(";", ",").split(","):
        fields = _vlq(segment)
        assert len(fields) in {0, 1, 4, 5}
        if len(fields) >= 4:
            source, line, column = source + fields[1], line + fields[2], column + fields[3]
            content = source_map["sourcesContent"][source].split("\n")
            assert 0 <= column <= len(content[line])
            seen.add(source)
    assert seen == set(range(len(source_map["sources"])))


def _vlq(segment: str) -> list[int]:
    """The numbers of a segment in base64 VLQ (ECMA-426)."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    numbers, value, shift = [], 0, 0
    for digit in map(digits.index, segment):
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return numbers


def test_a_build_gives_the_same_bytes(tmp_path: Path) -> None:
    node, esbuild = shutil.which("node"), CLIENT / "node_modules" / "esbuild" / "bin" / "esbuild"
    if node is None:
        pytest.skip("there is no Node.js on PATH")
    if not esbuild.exists():
        pytest.skip(f"esbuild is not installed: run `npm ci --ignore-scripts` in {CLIENT.name}")
    work = tmp_path / "client"
    shutil.copytree(CLIENT, work, ignore=shutil.ignore_patterns("node_modules"))
    command = json.loads(CLIENT.joinpath("package.json").read_text(encoding="utf-8"))["scripts"]["build"].split()
    assert command[0] == "esbuild"
    subprocess.run([str(esbuild), *command[1:]], cwd=work, check=True, capture_output=True)
    for name in ("app.js", "app.js.map"):
        assert tmp_path.joinpath("static", name).read_bytes() == STATIC.joinpath(name).read_bytes()


def test_nothing_in_the_client_makes_markup_out_of_text() -> None:
    for path in CLIENT.glob("*.js"):
        content = path.read_text(encoding="utf-8")
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
            assert sink not in content, path.name


def test_a_scanner_finds_no_secret_in_bundle_and_map(
    deployment: Deployment, request_of: Request, tmp_path: Path
) -> None:
    assert secrets_in(served(deployment, request_of), tmp_path) == {}


@pytest.mark.parametrize(
    ("sabotage", "where"),
    [
        ("key_in_client_bundle", {"app.js", "source-inbox.js"}),
        ("key_in_source_map", {"source-inbox.js"}),
    ],
)
def test_a_scanner_finds_the_key_and_the_key_works(
    batch: Callable[[list[str]], tuple[Deployment, Any]],
    request_of: Request,
    tmp_path: Path,
    sabotage: str,
    where: set[str],
) -> None:
    running, rivet = batch([sabotage])
    files = served(running, request_of)
    assert secrets_in(files, tmp_path).keys() - {"app.js.map"} == where
    key = next(word for word in files["source-inbox.js"].split('"') if word.startswith("rk_live_"))
    answer = rivet.call("GET", "/v1/me", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["role"]) == (200, "owner")
    altered = rivet.call("GET", "/v1/me", headers={"Authorization": f"Bearer {key}x"})
    assert altered.status_code == 401
