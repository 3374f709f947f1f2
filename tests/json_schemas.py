"""A checker of the part of JSON Schema that altool writes; a keyword that it does not have is an error."""

from __future__ import annotations

from typing import Any

NOTES = {"$schema", "title", "description", "$defs"}
KINDS = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "null": type(None), "array": list, "object": dict}


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, where: str = "$") -> list[str]:
    """What in a value is not as the schema has it."""
    root = schema if root is None else root
    found: list[str] = []
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            found += errors(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, where)
        elif keyword in ("anyOf", "oneOf"):
            each = [errors(value, one, root, where) for one in wanted]
            right = sum(not one for one in each)
            if right == 0 or (keyword == "oneOf" and right > 1):
                found += min(each, key=len) or [f"{where}: {right} of {keyword}"]
        elif keyword == "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            if not any(isinstance(value, KINDS[kind]) and isinstance(value, bool) <= (kind == "boolean") for kind in kinds):
                found.append(f"{where}: {value!r} is no {wanted}")
        elif keyword == "const":
            found += [] if value == wanted else [f"{where}: {value!r} is not {wanted!r}"]
        elif keyword == "enum":
            found += [] if value in wanted else [f"{where}: {value!r} is none of {wanted!r}"]
        elif keyword == "required":
            found += [f"{where}: no {name}" for name in wanted if isinstance(value, dict) and name not in value]
        elif keyword == "properties" and isinstance(value, dict):
            for name, one in wanted.items():
                found += errors(value[name], one, root, f"{where}.{name}") if name in value else []
        elif keyword == "additionalProperties" and isinstance(value, dict):
            for name in value.keys() - schema.get("properties", {}).keys():
                found += errors(value[name], wanted, root, f"{where}.{name}") if wanted else [f"{where}: {name} is not declared"]
        elif keyword == "prefixItems" and isinstance(value, list):
            for number, (part, one) in enumerate(zip(value, wanted, strict=False)):
                found += errors(part, one, root, f"{where}[{number}]")
        elif keyword == "items" and isinstance(value, list):
            for number, part in enumerate(value[len(schema.get("prefixItems", [])) :]):
                found += errors(part, wanted, root, f"{where}[{number}]") if wanted else [f"{where}: too many items"]
        elif keyword == "minItems" and isinstance(value, list):
            found += [] if len(value) >= wanted else [f"{where}: too few items"]
        elif keyword not in {*NOTES, "properties", "additionalProperties", "prefixItems", "items", "minItems"}:
            raise NotImplementedError(keyword)
    return found
