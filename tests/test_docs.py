"""The documents are true: their commands run as printed, and what they name exists."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import program
import pytest

from altool import catalogue, cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# docs/reference is made of the declarations, and contributing and changelog are files of the root
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "reference" not in path.parts)]
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^(?P<ticks>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=ticks)$", re.DOTALL | re.MULTILINE
)
RUN_BY_TEST_README = ("round: digits", "round: commands")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: what it holds, its language, and the comment directly above it."""

    language: str
    text: str
    mark: str

    @property
    def commands(self) -> list[str]:
        """Its lines that call altool, with those that continue them."""
        whole = re.sub(r"\\\n\s*", "", self.text)
        return [line.strip() for line in whole.splitlines() if re.match(r"\s*altool ", line)] if self.language in ("", "sh") else []


def blocks(page: Path) -> list[Block]:
    return [Block(found["language"], found["text"], found["mark"] or "") for found in FENCE.finditer(page.read_text("utf-8"))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# -- commands run as printed ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """Where the blocks of a page run: in a copy of a sample project or, after another page, of the folder that it left."""

    project: str
    after: str


def setting(page: Path) -> Setting | None:
    found = re.search(r"^<!-- run in: (\w+)(?:, after ([\w-]+\.md))? -->$", page.read_text("utf-8"), re.MULTILINE)
    return Setting(found[1], found[2] or "") if found else None


GUIDES = [page for page in PAGES if setting(page)]


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of all pages, with a `bin` in which `altool` is this checkout's."""
    folder = tmp_path_factory.mktemp("docs")
    with program.on_path() as found:
        (folder / "bin").symlink_to(found)
        yield folder


def play(page: Path, session: Path) -> Path:
    """Runs the blocks of a page in order, once a session, and checks the outputs that it prints. Returns the folder that it left."""
    where = setting(page)
    assert where
    folder = session / name(page).replace("/", "-")
    if folder.exists():
        return folder
    shutil.copytree(play(page.parent / where.after, session) if where.after else ROOT / "sample_data" / where.project, folder)
    path = f"{session / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "ALTOOL_TESTS_FORK": "1"}
    output: list[str] = []
    for block in blocks(page):
        if block.language == "sh" and not block.mark.startswith("not run"):
            done = subprocess.run(
                ["sh", "-eu"], input=block.text, text=True, cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, check=False
            )
            assert done.returncode == 0, f"{name(page)}:\n{block.text}\n{done.stdout}"
            output = [line.rstrip() for line in done.stdout.splitlines()]
        elif block.mark == "output":
            shown = block.text.splitlines()
            starts = range(len(output) - len(shown) + 1)
            assert any(output[start : start + len(shown)] == shown for start in starts), "\n".join([name(page), *output])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_a_page_runs_as_printed(page: Path, session: Path) -> None:
    play(page, session)


def is_run(page: Path, block: Block) -> bool:
    return block.mark in RUN_BY_TEST_README or (page in GUIDES and block.language == "sh" and not block.mark.startswith("not run"))


def test_every_command_is_run_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    run = marked = 0
    unmarked = []
    for page in PAGES:
        for block in blocks(page):
            if is_run(page, block):
                run += len(block.commands)
            elif block.commands and re.fullmatch(r"not run: \w.{5,}", block.mark):
                marked += len(block.commands)
            else:
                unmarked += [f"{name(page)}: {command}" for command in block.commands]
    with capsys.disabled():
        print(f" docs: {run + marked} commands, {run} run, {marked} marked ", end="")
    assert not unmarked
    assert run > 3 * marked


# -- what they name exists ---------------------------------------------------------------------------------------------------------------


@cache
def options_of(command: str) -> frozenset[str]:
    """The flags of a command, also those that only one strategy, classifier or backbone has."""
    parameters = cli.command(command).params
    return frozenset({"--help", "-h", *(flag for parameter in parameters for flag in (*parameter.opts, *parameter.secondary_opts))})


def calls(line: str) -> Iterator[tuple[str, list[str]]]:
    """(command, words) of each call of altool in a line of shell, also one behind && or in a pipe."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for is_operator, words in groupby(lexer, lambda word: set(word) <= set(lexer.punctuation_chars)):
        found = list(words)
        if not is_operator and found[0] == "altool":
            yield found[1], found[2:]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for block in blocks(page):
        for line in block.commands:
            for command, words in calls(line):
                assert command in [*catalogue.COMMANDS, "COMMAND", "--help"], line
                flags = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
                assert command == "COMMAND" or not flags - options_of(command), line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_options_and_commands_in_the_text_exist(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    everything = frozenset().union(*map(options_of, catalogue.COMMANDS))
    elsewhere = {"--nproc-per-node", "--images"}  # of torchrun, and of a script in papers/
    for code in re.findall(r"`([^`\n]+)`", text):
        named = re.match(r"altool ([a-z][a-z-]*)", code)
        assert not named or named[1] in catalogue.COMMANDS, code
        flags = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", code))
        own = re.match(rf"(?:altool )?({'|'.join(catalogue.COMMANDS)}) ", code)
        assert not flags - (options_of(own[1]) if own else everything) - elsewhere, code


NUMBERS = dict(zip(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), range(2, 13), strict=True))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_numbers_of_commands_and_strategies_are_true(page: Path) -> None:
    from altool.strategies import registry

    counted: Mapping[str, int] = {"commands": len(catalogue.COMMANDS), "strategies": len(registry.names())}
    for number, noun in re.findall(r"\b(\d+|[a-z]+) (commands|strategies)\b", page.read_text("utf-8")):
        if number.isdecimal() or number in NUMBERS:
            assert int(NUMBERS.get(number, number)) == counted[noun], f"{number} {noun}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    """Anchors too are checked by `make docs`; no page names an address of the web, which may not exist."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text("utf-8")))
    assert not re.findall(r"https?://\S+", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = page.parent / target.partition("#")[0]
        assert path.exists() or (DOCS / "reference") in path.resolve().parents, target


def test_shared_options_are_shared() -> None:
    rows = re.findall(r"^\| (`--[^|]*) \|[^|]*\| ([^|]*)\|$", (DOCS / "concepts/tables.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == 6
    for options, exceptions in rows:
        without = re.findall(r"`([\w-]+)`", exceptions)
        for flag in re.findall(r"--[a-z]+", options):
            for command in ("embed", "train", "score", "select", "import-labels", "report", "simulate"):
                assert (flag in options_of(command)) == (command not in without), f"{command} {flag}"


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [command for command in catalogue.COMMANDS if f"altool {command}" not in readme] == []
    assert len(readme.encode()) <= 6144


def test_the_examples_from_python_are_true() -> None:
    page = DOCS / "python.md"
    assert "```pycon" in page.read_text("utf-8")
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 15
    assert result.failed == 0
