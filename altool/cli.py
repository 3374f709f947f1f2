"""The command line: one thin entry per command, shared options declared once, errors turned into text and exit codes.

Only what a command needs is imported, and only when it runs: `altool --help` stays light.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer

from altool import __version__
from altool.console import Console
from altool.errors import AltoolError

app = typer.Typer(
    name="altool",
    help="Active learning over Parquet tables: what to label next so that every class meets its target with the fewest labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Items = Annotated[str | None, typer.Option("--items", metavar="TABLE", help="Items: id and image, path or text.")]
Features = Annotated[str | None, typer.Option("--features", metavar="TABLE", help="Features: id and one vector per row.")]
Labels = Annotated[str | None, typer.Option("--labels", metavar="TABLE", help="The label log (a folder), or a table of labels.")]
Predictions = Annotated[str | None, typer.Option("--predictions", metavar="TABLE", help="Predictions: id and one probability per class.")]
Targets = Annotated[str | None, typer.Option("--targets", metavar="TABLE", help="Per-class targets: TOML or a table.")]
Output = Annotated[str, typer.Option("-o", "--output", metavar="PATH", help="Where to write; - is standard output.")]
Format = Annotated[str | None, typer.Option("--format", metavar="NAME", help="parquet, arrow, csv or jsonl, for what is written.")]
Columns = Annotated[
    str | None, typer.Option("--columns", metavar="NAME=OTHER,…", help="Other names for the contract's columns, as id=item_id.")
]
Classes = Annotated[str | None, typer.Option("--classes", metavar="A,B,…", help="The classes in probability order, or a file of them.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads to work in; 0 is one per core. The result is the same.")]
Round = Annotated[int | None, typer.Option("--round", min=0, help="The round's number; by default one more than the labels' last.")]
Strict = Annotated[bool, typer.Option("--strict", help="Turn warnings about rows that do not match into errors.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there already.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output that sums up the run.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"altool {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    pass


def _run(command: str, arguments: dict[str, Any]) -> None:
    """Build the command's options from the entry's arguments, and run it."""
    arguments.pop("debug")
    console = Console(json_output=arguments.pop("json"), quiet=arguments.pop("quiet"))
    module = importlib.import_module(f"altool.commands.{command}")
    module.run(module.Options(**arguments), console)


def main() -> None:
    """The `altool` program: runs a command and exits with its status (interface.md, "Exit codes")."""
    arguments = sys.argv[1:]
    console = Console(json_output="--json" in arguments)
    try:
        status = app(arguments, standalone_mode=False)
        sys.stdout.flush()
        code = status if isinstance(status, int) else 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has what it wanted: no error, and none at exit either
        code = 0
    except KeyboardInterrupt:
        code = 130
    except AltoolError as error:
        code = _explain(console, error, error.message, error.hint, error.exit_code)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own: the command line is wrong
            code = _explain(console, error, error.format_message(), "altool --help lists commands and options", 2)
        else:
            text = f"a fault in altool itself: {type(error).__name__}: {error}"
            code = _explain(console, error, " ".join(text.split()), "run it again with --debug and report what it shows", 1)
    sys.exit(code)


def _explain(console: Console, error: Exception, message: str, hint: str, code: int) -> int:
    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    console.error(message, hint, type(error).__name__, code)
    return code


@app.command()
def embed(
    items: Items = None,
    backbone: Annotated[
        str, typer.Option("--backbone", metavar="NAME", help="A torchvision network, pixels, hashing or fasttext.")
    ] = "resnet18",
    output: Output = ...,  # type: ignore[assignment]
    weights: Annotated[
        str, typer.Option("--weights", metavar="DEFAULT|none|FILE", help="torchvision's best weights, random ones, or a file.")
    ] = "DEFAULT",
    columns: Columns = None,
    seed: Seed = 0,
    device: Device = "auto",
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn images or texts into feature vectors."""
    _run("embed", locals())
