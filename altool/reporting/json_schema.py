"""JSON Schema (draft 2020-12) of what dataclasses and typed dictionaries are as JSON: it follows from their fields, and cannot drift."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}

Schema = dict[str, Any]


@dataclass
class Definitions:
    """Schemas of types. Those of dataclasses and typed dictionaries are kept under `defs`, by the class's name, and referred to."""

    defs: dict[str, Schema] = field(default_factory=dict)
    types: dict[str, type] = field(default_factory=dict)

    def of(self, hint: Any) -> Schema:
        """The schema of a type. Raises TypeError for one that JSON has not."""
        if hint in SIMPLE:
            return {"type": SIMPLE[hint]}
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Union, UnionType):
            if all(one in SIMPLE for one in arguments):
                return {"type": [SIMPLE[one] for one in arguments]}
            return {"anyOf": [self.of(one) for one in arguments]}
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is tuple and arguments[-1] is not Ellipsis:
            parts = [self.of(one) for one in arguments]
            return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
        if origin in (list, tuple, Sequence):
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in (dict, Mapping) and arguments[0] is str:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(hint, type) and (is_dataclass(hint) or is_typeddict(hint)):
            return self.named(hint)
        raise TypeError(f"{hint!r} has no JSON schema")

    def named(self, class_: type, properties: Mapping[str, Schema] | None = None) -> Schema:
        """A reference to the schema of a class, whose `properties` are those of its fields, or what is given, at first, where its JSON
        differs. Raises TypeError where two classes share a name."""
        name = class_.__name__
        if self.types.setdefault(name, class_) is not class_ or (properties and name in self.defs):
            raise TypeError(f"{name} is there already, of {self.types[name].__module__}")
        if name not in self.defs:
            self.defs[name] = {}  # it may hold itself
            self.defs[name] = described(class_) | closed(self.properties(class_) if properties is None else properties)
        return {"$ref": f"#/$defs/{name}"}

    def properties(self, class_: type) -> dict[str, Schema]:
        """The schema of every field of a dataclass or a typed dictionary."""
        hints = get_type_hints(class_)
        names = [one.name for one in fields(class_)] if is_dataclass(class_) else list(hints)
        return {name: self.of(hints[name]) for name in names}


def described(class_: type) -> Schema:
    """The class's documentation as a description."""
    text = inspect.cleandoc(class_.__doc__ or "")
    return {"description": " ".join(text.split())} if text and not text.startswith(f"{class_.__name__}(") else {}


def closed(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """An object with these properties and no others; all but the `optional` ones are there."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}
