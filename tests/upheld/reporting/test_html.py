"""The page is one file that needs nothing, shows every status as it is, and keeps a target's text text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from upheld.model import Basis, Population, Run, Severity, Status, Verdict, Waiver
from upheld.reporting import html, run_json
from upheld.reporting.text import safe

from . import sample

VOID = {"meta", "link", "input", "br", "wbr", "path", "circle", "rect", "use"}
TEMPLATES = Path(html.__file__).parent / "templates"


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [part for part in self.parts if isinstance(part, Element)]

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def all(self) -> list[Element]:
        found, waiting = [], [self]
        while waiting:
            found.append(waiting.pop())
            waiting.extend(reversed(found[-1].children))
        return found

    def find(self, tag: str, css: str = "") -> list[Element]:
        return [
            one for one in self.all() if one.tag == tag and (not css or css in one.attributes.get("class", "").split())
        ]


class Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("root", {})
        self.stack = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].parts.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].parts.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop().tag == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.stack[-1].parts.append(data)


def parse(run: Run) -> Element:
    parser = Parser()
    parser.feed(html.render(run))
    parser.close()
    assert len(parser.stack) == 1, "something was not closed"
    return parser.root


def shape(element: Element) -> list[tuple[str, ...]]:
    """The elements of the page and their attributes' names, without the places where a name may break."""
    return [(one.tag, *one.attributes) for one in element.all() if one.tag != "wbr"]


def words(element: Element) -> str:
    return " ".join(element.text.split())


@pytest.mark.parametrize(
    "run", [sample.full(), sample.run(), sample.hostile("x")], ids=["full", "empty", "every field"]
)
def test_the_page_needs_nothing_and_runs_only_its_own_script(run: Run) -> None:
    root = parse(run)
    (script,) = root.find("script")
    assert (script.attributes, script.text) == ({}, (TEMPLATES / "script.js").read_text(encoding="utf-8"))
    for element in root.all():
        assert element.tag not in {"iframe", "object", "embed", "form", "base", "img"}
        assert not {"src", "style", "srcset", "action", "formaction"} & set(element.attributes)
        assert not [name for name in element.attributes if name.startswith("on")]
        assert element.attributes.get("href", "#").startswith(("#", "data:image/svg+xml,"))
        assert element.attributes.get("http-equiv", "Content-Security-Policy") == "Content-Security-Policy"
    assert "@import" not in html.render(run)
    assert "url(" not in html.render(run)


def test_the_policy_allows_exactly_this_style_and_this_script_and_stands_before_them() -> None:
    text = html.render(sample.full())
    digests = [
        base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        for own in re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL)
    ]
    (policy,) = [one.attributes["content"] for one in parse(sample.full()).all() if "http-equiv" in one.attributes]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digests[0]}' 'sha256-{digests[1]}'",
        "script-src": f"'sha256-{digests[2]}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(digests) == 3
    assert text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script>")


@pytest.mark.parametrize("text", sample.HOSTILE.values(), ids=sample.HOSTILE)
def test_what_a_target_sends_stays_text(text: str) -> None:
    rendered = html.render(sample.hostile(text))
    assert rendered.encode().decode() == rendered
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", rendered
    )
    root = parse(sample.hostile(text))
    assert shape(root) == shape(parse(sample.hostile("harmless")))
    assert safe(text).strip() in root.text


def test_the_script_only_ever_makes_text() -> None:
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8")
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval",
        "Function(",
        "fetch",
        "XMLHttp",
        "import(",
        "localStorage",
        "cookie",
    ):
        assert way not in script, way


def test_templates_never_switch_escaping_off_and_quote_every_attribute() -> None:
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), file.name
        assert not re.search(r"=\{\{", text), file.name


@pytest.mark.parametrize("status", Status)
def test_each_status_is_shown_by_word_and_shape_and_colour(status: Status) -> None:
    root = parse(sample.run(sample.claim(status)))
    (article,) = root.find("article")
    assert f"tone-{status}" in article.attributes["class"].split()
    badge = article.find("span", "badge")[0]
    assert words(badge) == status.value
    assert badge.find("use")[0].attributes["href"] == f"#i-{status}"
    assert f"tone-{status}" in badge.attributes["class"]
    assert f"i-{status}" in {one.attributes.get("id") for one in root.find("symbol")}
    (heading,) = root.find("h1")
    assert f"tone-{status}" in heading.attributes["class"]
    tiles = {words(one) for one in root.find("li", "tile")}
    assert tiles == {f"{int(other is status)} {other}" for other in Status}


def test_statuses_differ_in_shape() -> None:
    symbols = {
        one.attributes["id"]: [child.attributes for child in one.children] for one in parse(sample.run()).find("symbol")
    }
    assert len(symbols) == len(Status)
    assert len({str(shape) for shape in symbols.values()}) == len(Status)


def test_nothing_that_is_not_upheld_wears_the_sign_of_upheld() -> None:
    attested = sample.claim(Status.ATTESTED, sample.check(Verdict.PASS, basis=Basis.ATTESTED))
    inapplicable = sample.claim(Status.UNCOVERED, sample.check(Verdict.NOT_APPLICABLE), id="b")
    for run in (sample.run(attested), sample.run(inapplicable), sample.run(sample.claim(), complete=False)):
        root = parse(run)
        signs = [
            one.attributes["href"] for place in (*root.find("h1"), *root.find("article")) for one in place.find("use")
        ]
        if run.complete:
            assert "#i-upheld" not in signs
        else:
            assert signs[0] == "#i-inconclusive"
            assert "Incomplete run" in words(root.find("h1")[0])


def test_folded_evidence_still_tells_what_weakens_it() -> None:
    weak = sample.check(
        calibrated=False, sabotages_caught=(), population=Population(3, 1, (("a", "why a"), ("b", "why b")))
    )
    root = parse(sample.run(sample.claim(Status.UPHELD, weak)))
    details = root.find("details", "evidence")[0]
    assert "open" not in details.attributes
    assert words(details.find("summary")[0]) == "Evidence: 1 check, 1 subject judged, 2 left out; not calibrated"
    assert "why b" in words(root.find("section")[-3])


def test_claims_say_all_that_they_rest_on() -> None:
    root = parse(sample.full())
    text = words(root)
    for part in (
        "1 of 3 decided claims refuted, 2 upheld; 2 inconclusive; 1 lapsed; 1 attested; 3 not yet covered",
        "Rate limiting and abuse detection on all public-facing endpoints",
        "limits.every_operation_is_limited",
        "budget = 300",
        "6 of 7 subjects judged, 1 left out",
        "answered 202 to all of 300 requests",
        "answers 429 with Retry-After within 300 requests",
        '"202": 300',
        "What would refute it (defects put in on purpose, each caught): one-operation-unlimited, no-retry-after",
        "Not calibrated",
        "Approved by Thandi M., head of security, until 2026-04-30. A waiver changes no status.",
        "signed by Meta; limited upstream",
        "Could not look: the target describes no search index",
        "points to another document",
        "TLS 1.2 became TLS 1.3, by targets/staging.policies.yaml",
        "SOC 2 CC6.7",
        "a1b2" * 16,
        "c3d4" * 16,
        "9f2c" * 16,
        hashlib.sha256(run_json.dumps(sample.full())).hexdigest(),
        "retention-configurable (not part of this run)",
    ):
        assert part in text, part


def test_an_expired_waiver_is_shown_as_expired() -> None:
    waiver = Waiver("transit-tls12", "later", "someone", "2026-01-31", expired=True)
    text = words(parse(sample.run(sample.claim(Status.REFUTED, waivers=(waiver,)), waivers=(waiver,))))
    assert "Waiver expired: later Approved by someone, expired on 2026-01-31." in text
    assert "1 waiver expired and counted for nothing." in text


def test_headings_landmarks_and_names_serve_a_screen_reader() -> None:
    root = parse(sample.full())
    levels = [int(one.tag[1]) for one in root.all() if re.fullmatch(r"h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert root.find("html")[0].attributes["lang"] == "en"
    assert all(len(root.find(tag)) == 1 for tag in ("header", "main", "footer", "nav"))
    assert len(root.find("head")[0].find("title")) == 1
    ids = [one.attributes["id"] for one in root.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert {one.attributes["aria-labelledby"] for one in root.all() if "aria-labelledby" in one.attributes} <= set(ids)
    assert {one.attributes["href"][1:] for one in root.find("a") + root.find("use")} <= set(ids)


def test_claims_that_are_called_alike_get_places_of_their_own() -> None:
    run = sample.run(*(sample.claim(id=name, section=name) for name in ("a b", "a-b", "A_B", "über", "")))
    anchors = [one.attributes["id"] for one in parse(run).find("article")]
    assert len(set(anchors)) == 5


def test_thousands_of_findings_leave_a_page_that_a_browser_can_carry() -> None:
    failing = [
        sample.finding(Verdict.FAIL, f"bad {n}", observations=tuple(f"k.{m}" for m in range(9))) for n in range(3_000)
    ]
    passing = [sample.finding(Verdict.PASS, f"good {n}") for n in range(20_000)]
    looks = tuple(sample.observation(n, value="x" * 60_000) for n in range(9))
    check = sample.check(Verdict.FAIL, *failing, *passing, observations=looks)
    run = sample.run(*(sample.claim(Status.REFUTED, check, id=f"c{n}") for n in range(7)))
    text = html.render(run)
    assert len(text) < 8_000_000
    groups = parse(run).find("details", "findings")
    assert words(groups[0].find("summary")[0]) == "3,000 failing findings"
    assert "open" in groups[0].attributes
    assert "2,900 more in run.json." in words(groups[0])
    assert "6 more observations in run.json." in words(groups[0])
    assert "60,000 characters in all stand in run.json" in words(groups[0])
    assert "open" not in groups[1].attributes
    # The last claim's failing findings are still counted when the page's budget is spent.
    assert words(groups[-2].find("summary")[0]) == "3,000 failing findings"
    assert "3,000 more in run.json." in words(groups[-2])


def test_a_thousand_claims_with_fifty_thousand_findings_stay_below_fifteen_megabytes() -> None:
    findings = [sample.finding(subject=f"subject {number}", fingerprint=f"{number:016x}") for number in range(50)]
    check = sample.check(Verdict.PASS, *findings)
    claims = [
        sample.claim(Status.UPHELD, check, id=f"c{number}", section=f"s{number // 50}") for number in range(1_000)
    ]
    assert len(html.render(sample.run(*claims)).encode()) < 15_000_000


def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    html.write(sample.full(), tmp_path / "out" / "report.html")
    html.write(sample.full(), tmp_path / "again.html")
    assert (tmp_path / "out" / "report.html").read_bytes() == (tmp_path / "again.html").read_bytes()
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["report.html"]


def test_every_severity_and_basis_is_named() -> None:
    for severity in Severity:
        assert f"{severity} severity" in words(parse(sample.run(sample.claim(severity=severity))))
    for basis in Basis:
        assert f"known as {basis}" in words(parse(sample.run(sample.claim(basis=basis))))


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_contrast_is_at_least_that_of_wcag_aa_in_light_dark_and_print() -> None:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    schemes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(schemes) == 3
    tones = [status.value for status in Status]
    for scheme in schemes:
        pairs = [(name, ground) for name in ("ink", "soft", "link", *tones) for ground in ("ground", "paper")]
        pairs += [(name, f"{name}-ground") for name in tones]
        for name, ground in pairs:
            light, dark = sorted((_luminance(scheme[name]), _luminance(scheme[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_recipes_that_nobody_wrote_are_shown() -> None:
    value = {"tenant": "red", "inferred": ["note: make <b> makes"], "not_inferred": ["odd: no GET shows one"]}
    planted = dataclasses.replace(sample.observation(), look="plant", value=value)
    one = sample.claim(Status.UPHELD, sample.check(Verdict.PASS, observations=(planted,)))
    page = words(parse(sample.run(one)))
    assert "How objects were made" in page
    assert "note: make <b> makes" in page
    assert "None followed for these: odd: no GET shows one" in page
    assert "How objects were made" not in words(parse(sample.full()))
