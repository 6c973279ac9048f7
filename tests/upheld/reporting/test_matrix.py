"""The picture of the detection matrix, read back as the SVG that it is."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from upheld.calibration import Calibration, Table, table
from upheld.reporting.matrix import picture

PICTURE = Path(__file__).parents[3] / "docs" / "detection-matrix.svg"
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}title")]


def test_the_published_picture_is_of_the_shipped_table():
    assert PICTURE.read_text(encoding="utf-8") == picture(table()), (
        "run: python -m upheld.reporting.matrix > docs/detection-matrix.svg"
    )


def test_every_catch_has_its_cell_and_every_claim_its_name():
    shown = Table(
        {
            "tls.old": Calibration("x", ("a", "b")),
            "web.old": Calibration("y", ("b",)),
            "web.idle": Calibration("z", ()),
        },
        {"a": ("transit",), "b": ("transit", "pages"), "c": ("pages",)},
    )
    made = picture(shown)
    assert {"tls.old catches a", "tls.old catches b", "web.old catches b"} <= set(titles(made))
    assert not any(title.startswith("web.idle") for title in titles(made))
    assert {"transit", "pages", "tls.old", "web.old"} <= set(texts(made))
    assert "Detection matrix: 2 of 3 seeded defects caught, by 2 checks" in titles(made)


def test_what_no_check_catches_stands_out_and_is_named():
    made = picture(Table({"tls.old": Calibration("x", ())}, {"a<b": ("transit",)}))
    assert "no check is known to catch a<b" in titles(made)
    assert "Caught by none: a<b" in texts(made)


def test_an_empty_table_is_a_picture_too():
    assert "Detection matrix: 0 of 0 seeded defects caught, by 0 checks" in titles(picture(Table({}, {})))
