"""What a reader of each format sees of a run: the documents read by their own rules, with nothing of the exporter's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from upheld.exporting.rows import Shown


@dataclass(frozen=True)
class Format:
    """How a format is read: `sees` gives each row's verdict by its name; `order` has the verdicts, best first, and the first is the only
    good one; `table` says which of them each status is meant to be. `whole` is the verdict on the run, if the format has one:
    `whole_good` of a run that came to its end, and unless `whole_of_run_only`, in which all claims are upheld.
    """

    sees: Callable[[bytes], Mapping[str, str]]
    order: tuple[str, ...]
    table: Mapping[Shown, str]
    whole: Callable[[bytes], str] | None = None
    whole_good: str = ""
    whole_of_run_only: bool = False


def texts(name: str, data: bytes) -> Iterator[str]:
    """Every text of a document as its reader gets it, names included; lines of a text one by one."""
    if name == "junit":
        for element in ET.fromstring(data).iter():
            for text in (
                element.tag,
                element.text or "",
                element.tail or "",
                *element.attrib,
                *element.attrib.values(),
            ):
                yield from text.split("\n")
        return
    for document in data.splitlines() if name == "ocsf" else [data]:
        yield from _texts_of(json.loads(document))


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_of(item)


def junit(data: bytes) -> dict[str, str]:
    """As a CI service counts test cases."""
    seen = {}
    for case in ET.fromstring(data).iter("testcase"):
        seen[case.attrib["name"]] = case[0].tag if len(case) else "passed"
    return seen


def sarif(data: bytes) -> dict[str, str]:
    """The worst kind of the results of a claim; a code scanning service shows an alert for each."""
    (run,) = json.loads(data)["runs"]
    order = ("pass", "review", "open", "fail")
    seen = {rule["id"]: "no alert" for rule in run["tool"]["driver"]["rules"] if "/" not in rule["id"]}
    for result in run["results"]:
        name = result["ruleId"].partition("/")[0]
        kind = result.get("kind", "fail")
        seen[name] = max(kind, seen[name], key=lambda one: order.index(one) if one in order else -1)
    return seen


def sarif_whole(data: bytes) -> str:
    """Whether the tool says that it ran to its end."""
    (run,) = json.loads(data)["runs"]
    return "ran" if run["invocations"][0]["executionSuccessful"] else "broke off"


def oscal(data: bytes) -> dict[str, str]:
    """The state of each objective, with OSCAL's reason."""
    seen = {}
    for finding in json.loads(data)["assessment-results"]["results"][0]["findings"]:
        status = finding["target"]["status"]
        seen[finding["target"]["target-id"]] = f"{status['state']} ({status['reason']})"
    return seen


def cyclonedx(data: bytes) -> dict[str, str]:
    """Conformance with confidence, as an assessor reads them together."""
    document = json.loads(data)
    (attestation,) = document["declarations"]["attestations"]
    (standard,) = document["definitions"]["standards"]
    names = {one["bom-ref"]: one["identifier"] for one in standard["requirements"]}
    seen = {}
    for mapped in attestation["map"]:
        conformance, confidence = mapped["conformance"]["score"], mapped["confidence"]["score"]
        good, bad = conformance > 0, conformance == 0 and confidence > 0
        seen[names[mapped["requirement"]]] = "conformant" if good else "not conformant" if bad else "no confidence"
    return seen


def in_toto(data: bytes) -> dict[str, str]:
    """The list in which each test stands."""
    predicate = json.loads(data)["predicate"]
    return {name: list_ for list_ in ("passedTests", "warnedTests", "failedTests") for name in predicate[list_]}


def in_toto_whole(data: bytes) -> str:
    """The result of all tests."""
    return json.loads(data)["predicate"]["result"]


def hdf(data: bytes) -> dict[str, str]:
    """A control's status as inspecjs, Heimdall's own reader, works it out from its results."""
    seen = {}
    for control in json.loads(data)["profiles"][0]["controls"]:
        statuses = [
            one.get("status", "no_status") if not one.get("backtrace") else "error" for one in control["results"]
        ]
        waived = bool((control.get("waiver_data") or {}).get("skipped_due_to_waiver"))
        if "error" in statuses:
            status = "Profile Error"
        elif waived or control["impact"] == 0:
            status = "Not Applicable"
        elif "failed" in statuses:
            status = "Failed"
        elif "passed" in statuses:
            status = "Passed"
        else:
            status = "Not Reviewed" if "skipped" in statuses else "Profile Error"
        seen[control["id"]] = status
    return seen


def ocsf(data: bytes) -> dict[str, str]:
    """The status of compliance by its number."""
    words = {0: "Unknown", 1: "Pass", 2: "Warning", 3: "Fail", 99: "Other"}
    events = [json.loads(line) for line in data.decode().splitlines()]
    return {one["compliance"]["control"]: words[one["compliance"]["status_id"]] for one in events}


def _table(*verdicts: str) -> dict[Shown, str]:
    """The verdicts in the order of `Shown`: upheld, attested, partial, uncovered, lapsed, inconclusive, refuted."""
    return dict(zip(Shown, verdicts, strict=True))


_FAILED = "failedTests"
_OTHER = "not-satisfied (other)"

READERS: dict[str, Format] = {
    "junit": Format(
        junit,
        ("passed", "skipped", "error", "failure"),
        _table("passed", "skipped", "skipped", "error", "error", "error", "failure"),
    ),
    "sarif": Format(
        sarif,
        ("no alert", "review", "open", "fail"),
        _table("no alert", "review", "open", "open", "open", "open", "fail"),
        sarif_whole,
        whole_good="ran",
        whole_of_run_only=True,
    ),
    "oscal": Format(
        oscal,
        ("satisfied (pass)", _OTHER, "not-satisfied (fail)"),
        _table("satisfied (pass)", _OTHER, _OTHER, _OTHER, _OTHER, _OTHER, "not-satisfied (fail)"),
    ),
    "cyclonedx": Format(
        cyclonedx,
        ("conformant", "no confidence", "not conformant"),
        _table("conformant", *["no confidence"] * 5, "not conformant"),
    ),
    "in-toto": Format(
        in_toto,
        ("passedTests", "warnedTests", _FAILED),
        _table("passedTests", "warnedTests", "warnedTests", _FAILED, _FAILED, _FAILED, _FAILED),
        in_toto_whole,
        whole_good="PASSED",
    ),
    "hdf": Format(
        hdf,
        ("Passed", "Not Applicable", "Not Reviewed", "Profile Error", "Failed"),
        _table("Passed", *["Not Reviewed"] * 4, "Profile Error", "Failed"),
    ),
    "ocsf": Format(
        ocsf,
        ("Pass", "Warning", "Other", "Fail"),
        _table("Pass", "Warning", "Warning", "Other", "Other", "Other", "Fail"),
    ),
}
