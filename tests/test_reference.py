"""The reference is what the declarations give now, and lacks none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import scripts

from altool.options import Option

DOCS = Path(__file__).parents[1] / "docs"


reference = scripts.load(DOCS / "reference.py")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    found: dict[str, str] = reference.pages()
    return found


def test_the_pages_are_what_the_declarations_give(pages: dict[str, str]) -> None:
    for path, text in pages.items():
        assert (DOCS / path).read_text("utf-8") == text, f"{path} is out of date: python docs/reference.py"
    assert {f"reference/{path.name}" for path in (DOCS / "reference").glob("*")} == set(pages)


@pytest.mark.parametrize("name", reference.command_modules())
def test_every_option_of_every_command_is_there(name: str, pages: dict[str, str]) -> None:
    section = pages["reference/commands.md"].partition(f"\n## altool {name}\n")[2].partition("\n## altool ")[0]
    for options in reference.panels(reference.command_modules()[name]).values():
        for option in options:
            assert f"| {reference.spelled(option)} |" in section
            assert reference.plain(option.help) in section


def test_an_option_has_its_values_and_default() -> None:
    rate = Option("learning_rate", float, 0.5, "Rate of a_step.", above=0, high=1)
    kind = Option("kind", choices=("one", "two"), default="one", metavar="NAME", help="One | two.")
    flag = Option("fast", bool, False, "Be fast.")
    switch = Option("wait", bool, True, "Wait.")
    output = Option("output", help="Where to.", metavar="A|B", flags=("-o", "--output"), required=True)
    assert reference.options_table([rate, kind, flag, switch, output]).splitlines()[2:] == [
        "| `--learning-rate` `X` | a number above 0 and at most 1 | 0.5 | Rate of a\\_step. |",
        "| `--kind` `NAME` | `one`, `two` | one | One \\| two. |",
        "| `--fast` |  |  | Be fast. |",
        "| `--wait`, `--no-wait` |  | yes | Wait. |",
        "| `-o`, `--output` <code>A&#124;B</code> |  | required | Where to. |",
    ]


def test_every_page_is_short_of_html() -> None:
    assert reference.plain("a <b> [[run]] 1_000 *") == "a &lt;b&gt; \\[\\[run\\]\\] 1\\_000 \\*"
