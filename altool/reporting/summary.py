"""What `altool report --json` prints, and its JSON Schema."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypedDict

from altool.reporting.content import ClassReport, Report
from altool.reporting.forecast import Forecast, Outlook
from altool.reporting.json_schema import DIALECT, Definitions, Schema, closed
from altool.reporting.stopping import StoppingSummary

MAY_LACK = ("training", "relabeled")  # without a deep model, and where no label was asked again


class MeasuredOn(TypedDict):
    """Which rows were measured, whether some of them are biased, and what must be said then."""

    rows: str
    biased: bool
    caution: str


class Counted(TypedDict):
    """How many targets count, and how many of these are met and proved; the names of the classes whose targets are not."""

    counted: int
    met: int
    missed: list[str]
    proved: int
    unproved: list[str]


class Failure(TypedDict):
    """Why the run failed; with --check-targets (TargetsNotMet) the report is there, too."""

    type: str
    message: str
    hint: str
    exit_code: int


def of_report(report: Report) -> dict[str, Any]:
    """Everything in a report as one JSON object, of the schema that `schema` gives."""
    content = asdict(report)
    for name in MAY_LACK:
        if not content[name]:
            del content[name]
    measured_on: MeasuredOn = {"rows": report.measured_on, "biased": report.rows.biased > 0, "caution": report.caution}
    targets: Counted | None = None
    if total := len(report.aims):
        missed, unproved = report.missed, report.unproved
        targets = {"counted": total, "met": total - len(missed), "missed": missed, "proved": total - len(unproved), "unproved": unproved}
    return content | {
        "measured_on": measured_on,
        "classes": [{"class": line.pop("name"), **line} for line in content["classes"]],
        "stopping": report.stopping and report.stopping.summary(),
        "forecast": report.forecast and report.forecast.summary(),
        "targets": targets,
    }


def schema() -> Schema:
    """The JSON Schema of what `altool report --json` prints: a report, or with another exit code than 0 and 5 why there is none."""
    made = Definitions()
    line = made.properties(ClassReport)
    made.named(ClassReport, {"class": line.pop("name"), **line})
    outlook = made.named(Outlook, {"class": {"type": "string"}, **made.properties(Outlook)})
    forecast = made.properties(Forecast) | {"classes": {"type": "array", "items": outlook}, "line": {"type": "string"}}
    del forecast["held_out"], forecast["followed"]
    made.named(Forecast, forecast)
    path = made.of(str | None)
    properties = {
        "command": {"const": "report"},
        **made.properties(Report),
        "measured_on": made.of(MeasuredOn),
        "stopping": made.of(StoppingSummary | None),
        "targets": made.of(Counted | None),
        "output": path,
        "metrics_output": path,
        "error": made.of(Failure),
        "warnings": {"type": "array", "items": {"type": "string"}},
    }
    failed = {"error": properties["error"], "warnings": properties["warnings"]}
    return {
        "$schema": DIALECT,
        "title": "altool report --json",
        "oneOf": [closed(properties, optional=(*MAY_LACK, "error")), closed(failed)],
        "$defs": made.defs,
    }
