"""Heat maps, histograms and timelines as SVG, laid out by pygal and stripped of all but shapes, text and classes.

What pygal brings along for a page of its own (style, script, identifiers, the day of drawing) is left out: colours are the
page's, so that both themes and paper have theirs, and the same numbers give the same bytes. Only elements and attributes
that are named here come through.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from upheld.reporting.charts.parts import Bar, Chart, Event, Grid, Shade, Stretch, table
from upheld.reporting.text import safe

if TYPE_CHECKING:
    from types import ModuleType

    from upheld.model import CheckResult

_TAGS = {"svg", "g", "rect", "path", "text", "circle", "title"}
_NUMBERS = {"x", "y", "width", "height", "cx", "cy", "r"}
_WORDS = {"d", "transform", "viewBox"}
_CLASSES = {"axis", "guides", "guide", "line", "major", "x", "y", "plot", "bar", "histbar", "dots"}
_LEFT_OUT = {"background", "tooltip", "titles", "legends"}
_FONT = 12
_LETTER = 0.6 * _FONT  # How wide pygal takes a letter to be.
_ROW, _LONGEST, _WIDTH = 22, 44, 800
_LEAST = 3.0
"""How high a bar is at the least where there is anything."""


def heat_map(title: str, grid: Grid) -> str:
    """A row and a column for each of the grid's, and a rectangle for each cell; empty without pygal."""
    pygal = _pygal()
    if pygal is None or not grid.rows or not grid.columns:
        return ""
    rows = grid.rows[::-1]  # It draws the first at the bottom.
    labels = [_cut(row) for row in rows]
    column = min(240.0, max(46.0, *(len(_cut(one, 32)) * _LETTER + 20 for one in grid.columns)))
    margin = max(map(len, labels)) * _LETTER + 12
    width, height = margin + column * len(grid.columns), _ROW * len(rows) + 2 * _ROW
    chart = pygal.HorizontalStackedBar(
        **_plain(pygal, width, height),
        margin_top=_ROW,
        show_x_guides=False,
        show_y_guides=False,
        range=(0, len(grid.columns)),
    )
    chart.x_labels = labels
    chart.y_labels = [{"label": _cut(one, 32), "value": number + 0.5} for number, one in enumerate(grid.columns)]
    for number, name in enumerate(grid.columns):
        chart.add(name, [{"value": 1, "label": f"{len(rows) - 1 - place},{number}"} for place in range(len(rows))])
    root = _cleaned(chart.render_tree(), title)
    for bar in _of_class(root, "bar"):
        _fill(bar, grid)
    _head(root)
    return _written(root)


def heat_chart(
    name: str,
    title: str,
    says: str,
    checks: Sequence[CheckResult],
    grid: Grid,
    key: Sequence[tuple[Shade, str]],
    left: str = "",
) -> Chart:
    """The chart of a grid as a heat map; of `key` only the shades that a cell has are explained."""
    shades = {cell.shade for cell in grid.cells.values()}
    explained = tuple(one for one in key if one[0] in shades)
    return Chart(name, title, says, tuple(checks), heat_map(title, grid), table(grid), explained, left)


def histogram(title: str, bars: Sequence[Bar], unit: str, marks: Mapping[float, str]) -> str:
    """A bar for each of `bars`, and a line at each of `marks`; empty without pygal."""
    pygal = _pygal()
    if pygal is None or not bars:
        return ""
    low, high = min(0.0, bars[0].low), max([bars[-1].high, *marks])
    chart = pygal.Histogram(
        **_plain(pygal, _WIDTH, 260), margin_right=48, show_x_guides=True, show_y_guides=True, include_x_axis=True
    )
    # A mark takes the place of the ticks close to it, so that their words do not overlap.
    ticks = [one for one in _ticks(low, high) if all(abs(one - mark) > (high - low) / 14 for mark in marks)]
    chart.x_labels = sorted({*ticks, *marks})
    chart.x_labels_major = list(marks)
    chart.x_value_formatter = lambda value: marks.get(value, f"{value:g}")
    most = max(bar.count for bar in bars)
    chart.y_labels = [one for one in _ticks(0, most, 4, over=True) if one == round(one)]
    chart.value_formatter = lambda value: f"{value:g}"
    chart.add("", [{"value": (bar.count, bar.low, bar.high), "label": str(n)} for n, bar in enumerate(bars)])
    # What makes the axis as long as the ticks: a bar without height at either end is not drawn.
    chart.add("", [(0, low, low), (0, high, high)])
    root = _cleaned(chart.render_tree(), title)
    for part in _of_class(root, "histbar"):
        number = part.get("about")
        if number is None:
            part.clear()
            continue
        bar = bars[int(number)]
        del part.attrib["about"]
        for box in part.iter("rect"):
            height = float(box.get("height", "0"))
            if bar.count and height < _LEAST:  # One record that stayed is not lost beside a million that may.
                box.set("y", f"{float(box.get('y', '0')) - _LEAST + height:.1f}")
                box.set("height", f"{_LEAST}")
        ET.SubElement(part, "title").text = f"{bar.low:g} to {bar.high:g} {unit}: {bar.count:,}"
    _spaced(root)
    return _written(root)


def timeline(
    title: str, events: Sequence[Event], marks: Mapping[datetime, str], stretches: Sequence[Stretch] = ()
) -> str:
    """A row for each that is named, with a dot at each event, a bar over each stretch and a line at each of `marks`; empty without pygal."""
    pygal = _pygal()
    if pygal is None or not (events or stretches):
        return ""
    # A stretch is two dots until pygal has laid them out.
    points = [(one.row, one.at, str(number)) for number, one in enumerate(events)]
    for number, stretch in enumerate(stretches):
        points += [(stretch.row, stretch.start, f"{number} from"), (stretch.row, stretch.end, f"{number} to")]
    rows = list(dict.fromkeys(row for row, _, _ in points))
    moments = [at.timestamp() for _, at, _ in points] + [one.timestamp() for one in marks]
    low, high = min(moments), max(moments)
    edge = max((high - low) * 0.03, 1.0)
    named = {one.timestamp(): said for one, said in marks.items()}
    chart = pygal.XY(
        **_plain(pygal, _WIDTH, 70 + 36 * len(rows)),
        stroke=False,
        dots_size=5,
        show_x_guides=True,
        show_y_guides=True,
        range=(-0.5, len(rows) - 0.5),
        xrange=(low - edge, high + edge),
    )
    ticks = [low + (high - low) * part / 4 for part in range(5)] if high > low else [low]
    # A mark that stands close to a tick takes its place, so that their words do not overlap.
    chart.x_labels = sorted(
        [one for one in ticks if all(abs(one - mark) > (high - low) / 8 for mark in named)] + [*named]
    )
    chart.x_labels_major = list(named)
    written = "%Y-%m-%d" if high - low > 4 * 86_400 else "%m-%d %H:%M:%S"
    chart.x_value_formatter = lambda value: named.get(value) or datetime.fromtimestamp(value, UTC).strftime(written)
    chart.y_labels = [{"label": _cut(row), "value": len(rows) - 1 - number} for number, row in enumerate(rows)]
    for number, row in enumerate(rows):
        here = len(rows) - 1 - number
        chart.add("", [{"value": (at.timestamp(), here), "label": of} for name, at, of in points if name == row])
    root = _cleaned(chart.render_tree(), title)
    for part in _of_class(root, "dots"):
        number_of = part.attrib.pop("about", None)
        if number_of is not None and number_of.isdigit():
            ET.SubElement(part, "title").text = safe(events[int(number_of)].says, 300)
        elif number_of is not None:
            part.set("about", number_of)
    _stretch(root, stretches)
    _spaced(root)
    return _written(root)


def _pygal() -> ModuleType | None:
    try:
        import pygal  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError:
        return None
    # It puts a finder for maps, which are packages of their own, before everybody's imports, and in an outdated way.
    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != "pygal"]
    found: ModuleType = pygal
    return found


def _plain(pygal: ModuleType, width: float, height: float) -> dict[str, Any]:
    return {
        "width": round(width),
        "height": round(height),
        "margin": 8,
        "spacing": 4,
        "show_legend": False,
        "js": [],
        "css": [],
        "no_prefix": True,
        "truncate_label": 60,
        "style": pygal.style.Style(label_font_size=_FONT, major_label_font_size=_FONT, value_font_size=_FONT),
    }


def _cut(text: str, most: int = _LONGEST) -> str:
    line = safe(text)
    return f"{line[: most - 1]}…" if len(line) > most else line


def _ticks(low: float, high: float, parts: int = 10, *, over: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, about as many as `parts`; with `over` up to the first that is not below `high`."""
    rough = max((high - low) / parts, 1e-9)
    power = 10 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    last = math.ceil(high / step) if over else math.floor(high / step)
    return [step * number for number in range(math.ceil(low / step), last + 1)]


def _cleaned(drawn: Any, title: str) -> ET.Element:
    root = _copy(drawn)
    assert root is not None  # noqa: S101  (an svg element always comes through)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("role", "img")
    root.set("aria-label", safe(title, 300))
    _, _, width, height = root.get("viewBox", "0 0 0 0").split()
    root.set("width", width)
    root.set("height", height)
    return root


def _copy(element: Any) -> ET.Element | None:
    """`element` with what is named above and nothing else; `about` keeps what a part is about until it is used."""
    tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    given = str(element.get("class", "")).split()
    if tag not in _TAGS or _LEFT_OUT & set(given):
        return None
    made = ET.Element(tag)
    classes = [one for one in given if one in _CLASSES]
    if classes:
        made.set("class", " ".join(classes))
    for name, value in element.attrib.items():
        if name in _NUMBERS:
            made.set(name, f"{float(value):.1f}".removesuffix(".0"))
        elif name in _WORDS:
            made.set(name, value)
    if tag in {"text", "title"}:
        made.text = safe(element.text or "", 300)
    for child in element:
        kept = _copy(child)
        if kept is not None:
            made.append(kept)
        elif str(child.get("class", "")) == "label" and child.text:
            made.set("about", child.text)
    return made


def _of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [one for one in root.iter() if name in one.get("class", "").split()]


def _fill(bar: ET.Element, grid: Grid) -> None:
    """Make of a bar the cell that it stands for."""
    row, column = (int(number) for number in bar.attrib.pop("about").split(","))
    names = grid.rows[row], grid.columns[column]
    cell = grid.cells.get(names)
    box = next(bar.iter("rect"))
    bar.set("class", f"cell {cell.shade}" if cell else "cell blank")
    says = cell.says if cell else "not looked at"
    ET.SubElement(bar, "title").text = safe(f"{names[0]}, {names[1]}: {says}", 300)
    if cell and cell.mark:
        x, y, width, height = (float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
        middle = {"x": f"{x + width / 2:.1f}", "y": f"{y + height / 2 + _FONT / 3:.1f}"}
        ET.SubElement(bar, "text", middle).text = _cut(cell.mark, 18)


def _stretch(root: ET.Element, stretches: Sequence[Stretch]) -> None:
    """Make of the two dots of each stretch the bar between them."""
    ends: dict[str, ET.Element] = {}
    for part in _of_class(root, "dots"):
        number, _, end = part.attrib.pop("about", "").partition(" ")
        if not end:
            continue
        dot = next(part.iter("circle"))
        ends.setdefault(number, dot)
        part.remove(dot)
        if end == "from":
            continue
        left, right = (float(one.get("cx", "0")) for one in (ends[number], dot))
        part.set("class", "stretch")
        # What lasted a moment only is seen too.
        box = {"x": f"{left - 1:.1f}", "y": f"{float(dot.get('cy', '0')) - 6:.1f}", "width": f"{right - left + 2:.1f}"}
        ET.SubElement(part, "rect", {**box, "height": "12"})
        ET.SubElement(part, "title").text = safe(stretches[int(number)].says, 300)


def _spaced(root: ET.Element) -> None:
    """Put the names of the ticks of the upright lines a little lower than pygal does."""
    for axis in _of_class(root, "x"):
        for text in axis.iter("text"):
            text.set("y", f"{float(text.get('y', '0')) + 3:.1f}")


def _head(root: ET.Element) -> None:
    """Name the columns above the cells, where a tall map is begun to be read, and cut off what is empty then."""
    boxes = [next(bar.iter("rect")) for bar in _of_class(root, "cell")]
    top = min(float(one.get("y", "0")) for one in boxes)
    bottom = max(float(one.get("y", "0")) + float(one.get("height", "0")) for one in boxes)
    for axis in _of_class(root, "axis"):
        for guides in axis:
            for line in guides.findall("path"):
                guides.remove(line)
    for axis in _of_class(root, "x"):
        for text in axis.iter("text"):
            text.set("y", f"{top - 8:.1f}")
    _, _, width, _ = root.get("viewBox", "0 0 0 0").split()
    start, height = top + _ROW - 26, bottom - top + 34
    root.set("viewBox", f"0 {start:.1f} {width} {height:.1f}")
    root.set("height", f"{height:.1f}")


def _written(root: ET.Element) -> str:
    for part in root.iter():
        part.attrib.pop("about", None)
    return ET.tostring(root, encoding="unicode")
