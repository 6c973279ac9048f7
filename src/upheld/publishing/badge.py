"""A badge as SVG that needs nothing else: one sentence with its day, in the colour of the worst that it covers."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from upheld.model import Status
from upheld.publishing.standing import Standing
from upheld.reporting.text import safe

LABEL = "security page"
_LETTER, _EDGE, _HEIGHT = 6.6, 10, 22
_COLOURS = {
    Status.REFUTED: "#a11a1a",
    Status.INCONCLUSIVE: "#68399c",
    Status.LAPSED: "#7a4a00",
    Status.UNCOVERED: "#57534d",
    Status.ATTESTED: "#1f4e8c",
    Status.UPHELD: "#17633a",
}


def badge(found: Standing) -> bytes:
    """The badge of what may be said; the same standing gives the same bytes."""
    said = safe(found.dated, 120)
    left, right = (round(len(one) * _LETTER + 2 * _EDGE) for one in (LABEL, said))
    size = {"width": str(left + right), "height": str(_HEIGHT)}
    svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "viewBox": f"0 0 {left + right} {_HEIGHT}"})
    svg.set("role", "img")
    svg.set("aria-label", f"{LABEL}: {said}")
    ET.SubElement(svg, "title").text = f"{LABEL}: {said}"
    ET.SubElement(svg, "rect", {**size, "rx": "3", "fill": _COLOURS[found.tone]})
    ET.SubElement(svg, "rect", {"width": str(left), "height": str(_HEIGHT), "rx": "3", "fill": "#3a3834"})
    for x, width, text in ((0, left, LABEL), (left, right, said)):
        place = {"x": f"{x + width / 2:g}", "y": "15", "fill": "#ffffff", "text-anchor": "middle"}
        font = {
            "font-family": "Verdana, DejaVu Sans, sans-serif",
            "font-size": "11",
            "textLength": str(width - 2 * _EDGE),
        }
        ET.SubElement(svg, "text", {**place, **font}).text = text
    return f"{ET.tostring(svg, encoding='unicode')}\n".encode()
