"""The JSON Schema of `altool report --json`: outputs are of it. Every report of a test is checked (conftest)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from json_schemas import errors

from altool.reporting import summary
from altool.reporting.json_schema import Definitions

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/report.json").read_text("utf-8"))
SCHEMA = summary.schema()


def test_a_report_is_of_its_schema() -> None:
    assert errors(GOLDEN, SCHEMA) == []
    failure = {"type": "TargetsNotMet", "message": "m", "hint": "h", "exit_code": 5}
    assert errors({**GOLDEN, "error": failure}, SCHEMA) == []
    assert errors({"error": failure, "warnings": []}, SCHEMA) == []


def test_a_report_without_a_property_with_another_or_of_another_type_is_not() -> None:
    def changed(change: Callable[[Any], Any]) -> list[str]:
        found = copy.deepcopy(GOLDEN)
        change(found)
        return errors(found, SCHEMA)

    assert changed(lambda found: found.pop("cost"))
    assert changed(lambda found: found["classes"][0].pop("class"))
    assert changed(lambda found: found["classes"][1]["metrics"]["f1"].update(median=1.0))
    assert changed(lambda found: found["stopping"].update(stop="no"))
    assert changed(lambda found: found["forecast"]["classes"][0]["needed"]["labels"].append(1))
    assert changed(lambda found: found["targets"].update(counted=True))


@dataclass
class Inner:
    """What is inside."""

    pair: tuple[int, float | None]


class Outer(TypedDict):
    kind: Literal["a", "b"]
    inner: list[Inner]
    names: dict[str, bool]


def test_a_schema_follows_from_the_fields() -> None:
    made = Definitions()
    assert made.of(Outer | None) == {"anyOf": [{"$ref": "#/$defs/Outer"}, {"type": "null"}]}
    assert made.defs["Inner"] == {
        "description": "What is inside.",
        "type": "object",
        "properties": {
            "pair": {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": ["number", "null"]}],
                "items": False,
                "minItems": 2,
            }
        },
        "required": ["pair"],
        "additionalProperties": False,
    }
    assert made.defs["Outer"]["properties"] == {
        "kind": {"enum": ["a", "b"]},
        "inner": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
        "names": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }
    whole = {"$ref": "#/$defs/Outer", "$defs": made.defs}
    assert errors({"kind": "a", "inner": [{"pair": [1, None]}], "names": {"x": True}}, whole) == []
    assert errors({"kind": "c", "inner": [], "names": {}}, whole) == ["$: 'c' is none of ['a', 'b']".replace("$", "$.kind")]


def test_what_json_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match="has no JSON schema"):
        Definitions().of(set[int])
    with pytest.raises(TypeError, match="Inner is there already"):
        Definitions(types={"Inner": int}).of(Inner)


@pytest.mark.slow
def test_the_command_prints_it(altool: Callable[..., Any]) -> None:
    assert json.loads(altool("schema", "report").text) == SCHEMA
    assert altool("schema").text == "report  what altool report --json prints\n"
    assert "error: NAME: expected report, found 'reprot'\nhint: did you mean report?" in altool("schema", "reprot", code=2).said
