"""XML as records. A document with a DOCTYPE is refused: its entities may grow without bound, or name other files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from altool.errors import InputError

DEEPEST = 100  # elements in each other


@dataclass
class Element:
    """An XML element: its `tag` without a namespace, attributes, children in order, and the text directly in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def every(self, tag: str) -> list[Element]:
        """The children of that tag."""
        return [child for child in self.children if child.tag == tag]


def parse(name: str, content: bytes) -> Element:
    """The root of an XML document. Raises InputError, which begins with `name`, for one that is damaged, nested too deeply, or has a
    DOCTYPE."""
    parser = expat.ParserCreate()
    top = Element("", {})
    open_: list[Element] = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(open_) > DEEPEST:
            raise InputError(f"{name}: its XML is nested more than {DEEPEST} deep", "export it again")
        element = Element(tag.rpartition(":")[2], attributes)
        open_[-1].children.append(element)
        open_.append(element)

    def end(tag: str) -> None:
        open_.pop()

    def text(characters: str) -> None:
        open_[-1].text += characters

    def doctype(*declared: Any) -> None:
        raise InputError(f"{name}: its XML has a DOCTYPE, which may declare entities", "export it again, without one")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, doctype
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise InputError(f"{name}: it is not complete XML ({error})", "export it again") from error
    return top.children[0]
