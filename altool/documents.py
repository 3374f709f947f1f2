"""HTML pages of one file: a template with its style and script inlined, and a policy that lets no other run and nothing be loaded.

Templates, styles and scripts are files of a folder inside a package. What a template is given is text: jinja2 escapes it, and whatever a
browser would obey instead of showing (marks of direction, control characters) becomes visible, but for what `Html` says is HTML.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from altool.text import visible

POLICY = "default-src 'none'; img-src data:; style-src {}; script-src {}; base-uri 'none'; form-action 'none'"


class Html(str):
    """A text that is HTML already: a template takes it as it is."""

    __slots__ = ()

    def __html__(self) -> Html:
        return self


def safe(text: str) -> str:
    """A text as HTML, also inside quotes of an attribute, as templates write it."""
    return escape(visible(text))


def render(
    package: str,
    folder: str,
    template: str,
    filters: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
    *,
    script: str = "",
    **values: Any,
) -> bytes:
    """A page by a template of `folder` in `package`, with the folder's page.css and, where it is named, a script.

    The template has `policy`, `style` and `script` beside the `values`.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    style, code = source(package, folder, "page.css"), source(package, folder, script) if script else ""
    environment = Environment(
        loader=FunctionLoader(lambda name: source(package, folder, name)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    policy = POLICY.format(_hash(style), _hash(code) if script else "'none'")
    page = environment.get_template(template).render(policy=policy, style=Html(style), script=Html(code), **values)
    return page.encode("utf-8", "backslashreplace") + b"\n"  # half a character can only be in the JSON, and this is its escape


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def source(package: str, folder: str, name: str) -> str:
    """The text of a file of a folder inside a package."""
    return (files(package) / folder / name).read_text("utf-8")
