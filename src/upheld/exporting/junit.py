"""JUnit XML: a suite for each section of the policy, a test case for each claim.

The document keeps to both schemas in use, Jenkins' and Ant's. `pytest policies.yaml --junitxml` writes another one, with a
test case for each check.
"""

from __future__ import annotations

from itertools import islice
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from upheld.exporting.rows import Row, Shown, rows, said, spelled
from upheld.exporting.writing import FINDINGS, line, moment, words
from upheld.model import Run
from upheld.reporting.headline import headline, notices, several

OUTCOMES: dict[Shown, str] = {
    Shown.UPHELD: "",
    Shown.ATTESTED: "skipped",
    Shown.PARTIAL: "skipped",
    Shown.UNCOVERED: "error",
    Shown.LAPSED: "error",
    Shown.INCONCLUSIVE: "error",
    Shown.REFUTED: "failure",
}
"""The element that a test case holds; none in one that passed. CI services take a skipped one for harmless, so only what was
left out on purpose, or is vouched for, is skipped."""

_COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def dumps(run: Run) -> bytes:
    """`run` as JUnit XML."""
    by_section: dict[str, list[Row]] = {}
    for row in rows(run):
        by_section.setdefault(line(row.section, "no section"), []).append(row)
    root = Element("testsuites")
    for number, (section, members) in enumerate(by_section.items()):
        _suite(root, number, section, members, run)
    indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'.encode()


def _suite(root: Element, number: int, section: str, members: list[Row], run: Run) -> None:
    outcomes = [OUTCOMES[row.shown] for row in members]
    counts = {attribute: str(outcomes.count(tag)) for tag, attribute in _COUNTED.items()}
    suite = SubElement(
        root,
        "testsuite",
        {
            "package": "upheld",
            "id": str(number),
            "name": section,
            "timestamp": moment(run.started).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": line(run.target.name, "unknown"),
            "tests": str(len(members)),
            **counts,
            "time": f"{sum(row.seconds for row in members):.3f}",
        },
    )
    properties = SubElement(suite, "properties")
    for name, value in _properties(run):
        SubElement(properties, "property", {"name": name, "value": words(value, empty="")})
    for row in members:
        _case(suite, row, section)
    SubElement(suite, "system-out").text = "\n".join(
        f"{line(row.id)}: {row.shown.value}; {several(sum(len(one.findings) for one in row.checks), 'finding')}"
        for row in members
    )
    SubElement(suite, "system-err").text = "\n".join(words(notice) for notice in notices(run))


def _case(suite: Element, row: Row, section: str) -> None:
    case = SubElement(suite, "testcase", {"name": line(row.id), "classname": section, "time": f"{row.seconds:.3f}"})
    outcome = OUTCOMES[row.shown]
    if outcome:
        message = f"{row.shown.value}: {words(row.reason)}" if row.reason else row.shown.value
        waived = "".join(f" [{words(spelled(one))}]" for one in row.claim.waivers)
        told = {"message": message + waived, "type": row.shown.value}
        SubElement(case, outcome, told).text = _body(row)


def _body(row: Row) -> str:
    shown = [
        f"- {words(check.id)}: {words(finding.subject)}\n    {words(said(finding))}"
        for check, finding in islice(row.open_findings(), FINDINGS)
    ]
    more = sum(1 for _ in row.open_findings()) - len(shown)
    if more:
        shown.append(f"- and {several(more, 'finding')} more that did not pass")
    return "\n".join([f"“{words(row.statement)}”", *shown])


def _properties(run: Run) -> list[tuple[str, str]]:
    return [
        ("upheld.run", run.id),
        ("upheld.headline", headline(run).text),
        ("upheld.policy", run.policy),
        ("upheld.policy-digest", run.policy_digest),
        ("upheld.target", f"{run.target.name} ({run.target.environment})"),
        ("upheld.version", run.versions.get("upheld", "unknown")),
    ]
