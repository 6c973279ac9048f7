"""The detection matrix as a picture: which check is known to catch which seeded defect.

`python -m upheld.reporting.matrix > docs/detection-matrix.svg` draws the shipped table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from upheld.calibration import Table, table

CELL = 8
"""Width and height of a cell, in pixels."""

_LEFT, _RIGHT, _TOP, _EDGE, _LINE = 360, 80, 210, 12, 30
_SCALE = 1.25
_HEAD = 80
"""What a bare picture has no need of at its top, in pixels."""
_STYLE = """
text { font: 8px ui-monospace, monospace; fill: #24292f }
.title { font-size: 13px; font-weight: bold } .said { font-size: 10px }
.caught { fill: #1a7f37 } .uncaught { fill: #cf222e } .grid { fill: #eaeef2 } .ground { fill: #fff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .caught { fill: #3fb950 } .uncaught { fill: #f85149 } .grid { fill: #21262d } .ground { fill: #0d1117 }
}
"""


def picture(shown: Table, *, bare: bool = False) -> str:
    """The matrix as SVG: a row for each check that caught anything, a column for each defect, under the claim that it breaks first.

    A defect that no check is known to catch has a red column, and is named below. A `bare` one has no style, ground and
    words of its own, for a page that has them.
    """
    checks = sorted(name for name, one in shown.checks.items() if one.caught)
    defects = sorted(shown.breaks, key=lambda name: (shown.breaks[name][0], name))
    caught = {name: set(one.caught) for name, one in shown.checks.items()}
    unseen = [name for name in defects if not any(name in one for one in caught.values())]
    width = _LEFT + CELL * len(defects) + _RIGHT
    bottom = _TOP + CELL * len(checks)
    height = bottom + _EDGE + _LINE
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
        },
    )
    said = f"{len(defects) - len(unseen)} of {len(defects)} seeded defects caught, by {len(checks)} checks"
    ET.SubElement(svg, "title").text = f"Detection matrix: {said}"
    if bare:
        svg.set("class", "matrix")
        svg.set("viewBox", f"0 {_HEAD} {width} {height - _HEAD}")
        svg.set("width", f"{width * _SCALE:g}")
        svg.set("height", f"{(height - _HEAD) * _SCALE:g}")
    else:
        ET.SubElement(svg, "style").text = _STYLE
        _box(svg, "ground", 0, 0, width, height)
        _text(svg, "title", _EDGE, 24, "Detection matrix")
        _text(svg, "said", _EDGE, 42, said)
        _text(svg, "said", _EDGE, 56, "A row is a check, a column a defect, under the claim that it breaks.")
    _columns(svg, shown, defects, unseen, bottom - _TOP)
    for number, check in enumerate(checks):
        y = _TOP + CELL * number
        if number % 2 == 0:
            _box(svg, "grid", _EDGE, y, width - _EDGE - _RIGHT, CELL)
        _text(svg, "", _EDGE, y + CELL - 1, check)
        for column, defect in enumerate(defects):
            if defect in caught[check]:
                cell = _box(svg, "caught", _LEFT + CELL * column + 1, y + 1, CELL - 2, CELL - 2)
                ET.SubElement(cell, "title").text = f"{check} catches {defect}"
    if unseen:
        _text(svg, "said", _EDGE, bottom + _LINE - 8, f"Caught by none: {', '.join(unseen)}")
    if not bare:
        ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _columns(svg: ET.Element, shown: Table, defects: Sequence[str], unseen: Sequence[str], depth: int) -> None:
    """The names of the claims over their columns, a line between one claim and the next, and the red columns."""
    before = ""
    for column, defect in enumerate(defects):
        x = _LEFT + CELL * column
        if defect in unseen:
            bar = _box(svg, "uncaught", x + 1, _TOP, CELL - 2, depth)
            ET.SubElement(bar, "title").text = f"no check is known to catch {defect}"
        claim = shown.breaks[defect][0]
        if claim != before:
            _box(svg, "grid", x, _TOP - 6, 1, depth + 6)
            label = _text(svg, "", x + CELL - 1, _TOP - 8, claim)
            label.set("transform", f"rotate(-60 {x + CELL - 1} {_TOP - 8})")
        before = claim


def _box(svg: ET.Element, kind: str, x: int, y: int, width: int, height: int) -> ET.Element:
    measures = {"x": str(x), "y": str(y), "width": str(width), "height": str(height)}
    return ET.SubElement(svg, "rect", {"class": kind, **measures})


def _text(svg: ET.Element, kind: str, x: int, y: int, words: str) -> ET.Element:
    element = ET.SubElement(svg, "text", {"x": str(x), "y": str(y), **({"class": kind} if kind else {})})
    element.text = words
    return element


if __name__ == "__main__":
    sys.stdout.write(picture(table()))
