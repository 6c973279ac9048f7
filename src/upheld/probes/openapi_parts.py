"""OpenAPI documents in several files: what references lead to is put into the one document that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

DOCUMENTS_LIMIT = 100
"""Files that one document may be made of."""
_HELD = "x-upheld-documents"


def gather(data: dict[str, Any], base: str, read: Callable[[str], Any]) -> None:
    """Have every reference to another file lead to a place inside `data`, where that file's content is put.

    `base` is the document's own URL, to which references are relative; `read` gives what stands at a URL, None where that may not
    be read or cannot be: then the reference stays as it is, and leads out of the document.
    """
    swagger = "swagger" in data
    prefix = f"/definitions/{_HELD}" if swagger else f"/{_HELD}"
    places, held = {base: ""}, dict[str, Any]()
    missing: set[str] = set()
    waiting: list[tuple[str, Any]] = [(base, data)]
    while waiting:
        where, document = waiting.pop()
        for node in _references(document):
            try:
                there, fragment = urldefrag(node["$ref"])
                location = urljoin(where, there) if there else where
            except ValueError:
                continue
            if location not in places and location not in missing:
                found = read(location) if len(places) < DOCUMENTS_LIMIT else None
                if found is None:
                    missing.add(location)
                    continue
                name = f"document-{len(places)}"
                places[location], held[name] = f"{prefix}/{name}", found
                waiting.append((location, found))
            if location in places and (fragment.startswith("/") or (not fragment and places[location])):
                node["$ref"] = f"#{places[location]}{fragment}"
    if held:
        parent = data.setdefault("definitions", {}) if swagger else data
        if isinstance(parent, dict):
            parent[_HELD] = held


def file_below(url: str, *folders: Path) -> Path | None:
    """The file that a `file:` URL names, if it lies below one of the folders, over whatever links; else None."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc or parts.query:
        return None
    try:
        path = Path(unquote(parts.path)).resolve()
        inside = any(path.is_relative_to(folder.resolve()) for folder in folders)
        return path if inside and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _references(document: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document that has a reference; an object that stands in several places once."""
    seen: set[int] = set()
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        if isinstance(node, dict):
            seen.add(id(node))
            if isinstance(node.get("$ref"), str):
                yield node
            waiting += node.values()
        elif isinstance(node, list):
            seen.add(id(node))
            waiting += node
