"""The command line: every command by its name, errors turned into text and exit codes.

A command's options are what its module declares (altool/options.py); they are parsed, checked and shown by that declaration alone. Only
what a command needs is imported, and only when it runs: `altool --help` stays light.
"""

import errno
import inspect
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
import typer.core

from altool import __version__
from altool.catalogue import COMMANDS, LISTS, UNSET, module_of, options_of
from altool.console import Console
from altool.errors import AltoolError, UsageError
from altool.options import Option
from altool.text import visible

FLAGS = {  # of the program itself; typer's own words for completion depend on the shell
    "--version": "Print the version and stop.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Print completion for the current shell.",
    "--help": "Print this message and stop.",
}


class Command(typer.core.TyperCommand):
    """A command whose options altool declares: it hears every one that is given, and shows its own in panels; those of a single strategy,
    classifier or backbone are explained with that."""

    panels: dict[str, list[Option]]
    own: dict[str, list[Option]]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses an option of a single value that is there twice; a flag that may stand alone gets its value."""
        bare = {option.flag: option.bare for own in self.panels.values() for option in own if option.bare}
        alone = [word in bare and after[:1] in ("", "-") for word, after in zip(args, [*args[1:], ""], strict=False)]
        args = [f"{word}={bare[word]}" if own else word for word, own in zip(args, alone, strict=True)]
        *_, order = self.make_parser(ctx).parse_args(args=list(args))
        for option in dict.fromkeys(order):
            if order.count(option) > 1 and not option.multiple and not (getattr(option, "is_flag", False) and not option.secondary_opts):
                raise UsageError(f"{max(option.opts, key=len)} is given twice", "give it once: it takes a single value")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from altool import help as page

        page.show(self.get_usage(ctx), self.help or "", {heading: page.lines(own) for heading, own in self.own.items()})
        if others := LISTS.get(self.name or ""):
            print(f"Options of one of the {others}: altool {others} NAME")


class Group(typer.core.TyperGroup):
    """The commands. Only the one that is asked for is built."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else command(name, rest), rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from altool import help as page

        flags = [(", ".join(sorted(parameter.opts, key=len)), FLAGS[max(parameter.opts, key=len)]) for parameter in self.get_params(ctx)]
        page.show(self.get_usage(ctx), self.help or "", {"Commands": list(COMMANDS.items()), "Options": flags})


app = typer.Typer(
    name="altool",
    cls=Group,
    help="Active learning over Parquet tables: what to label next so that every class meets its target with the fewest labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(lambda: None)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"altool {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help=FLAGS["--version"])] = False,
) -> None:
    pass


def command(name: str, words: Sequence[str] | None = None) -> Command:
    """The command of that name; with all its options or, where no other is among the `words` of a command line, with those that belong to
    no strategy, classifier or backbone: these need not be imported then."""
    module = module_of(name)
    own, panels = options_of(module, words)
    others = merged(option for options in panels.values() for option in options)

    def entry(context: typer.Context, **arguments: Any) -> int | None:
        return _run(name, module, context.obj or Console(), {option.name: option for option in own}, others, arguments)

    surroundings = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [surroundings, *map(_parameter, (*own, *others.values()))]
    entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    entry.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    single = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    single.command(name, cls=Command, help=COMMANDS[name])(entry)
    found = typer.main.get_command(single)
    assert isinstance(found, Command)
    found.own = {}
    for option in own:
        found.own.setdefault(option.panel or "Options", []).append(option)
    found.panels = {heading: list(options) for heading, options in found.own.items()}
    for heading, options in panels.items():
        found.panels.setdefault(heading, []).extend(two_way(option) for option in options)
    return found


def two_way(option: Option) -> Option:
    """An option of a strategy, a classifier or a backbone, which a recipe may set: as a flag it can be taken back, too."""
    return replace(option, default=None) if option.kind is bool else option


def merged(options: Iterable[Option]) -> dict[str, Option]:
    """One option for all that share a name. Raises ValueError where two of them are of different kinds."""
    found: dict[str, Option] = {}
    for option in options:
        other = found.setdefault(option.name, replace(two_way(option), required=False))  # whoever takes it says where it is missing
        if (other.kind, other.many) != (option.kind, option.many):
            raise ValueError(f"--{option.name} is declared twice, as {other.kind.__name__} and as {option.kind.__name__}")
    return found


def _parameter(option: Option) -> inspect.Parameter:
    default = option.default if _is_switch(option) else None
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_annotation(option))


def _is_switch(option: Option) -> bool:
    """Is it a flag that is there or not?"""
    return option.kind is bool and option.default is False


def _annotation(option: Option) -> Any:
    """What typer is told: a text, or several; altool itself makes the value of it."""
    if option.argument:
        return Annotated[list[str] | None if option.many else str | None, typer.Argument(metavar=option.metavar or None)]
    flags = option.flags or (option.flag,)
    if option.kind is bool:
        return Annotated[bool, typer.Option(*flags)] if _is_switch(option) else Annotated[bool | None, typer.Option(_two_ways(option))]
    kind: Any = list[str] if option.many else str
    return Annotated[kind | None, typer.Option(*flags, metavar=option.metavar or None)]


def _two_ways(option: Option) -> str:
    return f"{option.flag}/--no-{option.flag.removeprefix('--')}"


def _run(
    command: str, module: Any, console: Console, own: Mapping[str, Option], others: Mapping[str, Option], arguments: dict[str, Any]
) -> int | None:
    """Build the command's options from the command line, and run it. Returns its exit status; None is 0."""
    console.json_output, console.quiet = arguments.pop("json"), arguments.pop("quiet")
    console.dry_run = arguments.pop("dry_run", False)
    arguments.pop("debug")
    if console.json_output and arguments.get("output") == "-":
        raise UsageError("--json and --output - both write to standard output", "write the table to a file")
    given = {name: value for name, value in arguments.items() if value is not None and value != []}
    added, added_others = _of_project(command, own, given, console)
    if missing := [
        option.flag if not option.argument else option.metavar
        for option in own.values()
        if option.required and option.name not in given and option.name not in added
    ]:
        raise UsageError(f"missing {', '.join(missing)}", f"altool {command} --help lists the options")
    values = {name: own[name].take(_read(own[name], value), own[name].flag) for name, value in given.items() if name in own} | added
    if others or added_others:
        values["own"] = {name: _read(others[name], value) for name, value in given.items() if name in others} | added_others
    status: int | None = module.run(module.Options(**values), console)
    return status


def _of_project(
    command: str, own: Mapping[str, Option], given: Mapping[str, Any], console: Console
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the project in this folder, if there is one, adds to the options that are given: to the command's own, and to the others."""
    if command in UNSET or os.environ.get("ALTOOL_DEFAULTS") == "off" or not os.path.lexists("altool.toml"):
        return {}, {}
    from altool.project import defaults  # here alone: few folders are projects

    switches = {name for name, option in own.items() if _is_switch(option)}
    return defaults.filled(command, own, {name: value for name, value in given.items() if value or name not in switches}, console)


def _read(option: Option, value: Any) -> Any:
    return [option.read(text) for text in value] if isinstance(value, list) else option.read(value) if isinstance(value, str) else value


def main() -> None:
    """The `altool` program: runs a command and exits with its status (docs/contract.md, "Exit codes")."""
    arguments = sys.argv[1:]
    console = Console(json_output="--json" in arguments)
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115 (a closed one)
    for stream in (sys.stdout, sys.stderr):  # a terminal that is not UTF-8 shows an escape for what it has no character for
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(arguments, prog_name="altool", standalone_mode=False, obj=console)
        sys.stdout.flush()
        code = status if isinstance(status, int) else 0
    except BrokenPipeError:
        _give_up_output()  # the reader has what it wanted: no error, and none at exit either
        code = 0
    except KeyboardInterrupt:
        code = 130
    except AltoolError as error:
        code = _explain(console, error, error.message, error.hint, error.exit_code)
    except OSError as error:
        code = _explain(console, error, *_of_system(error))
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the help is printed
            code = 2
        elif hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own: the command line is wrong
            code = _explain(console, error, error.format_message(), _where_to_look(error), 2)
        else:
            text = f"internal error: {type(error).__name__}: {error}"
            code = _explain(console, error, " ".join(text.split()), "run it again with --debug and report what it shows", 1)
    try:
        sys.stdout.flush()
    except OSError:
        _give_up_output()
    sys.exit(code)


def _where_to_look(error: Any) -> str:
    """The hint beside an error of typer's own: it is of the program, or of a command."""
    name = getattr(getattr(error, "ctx", None), "info_name", None)
    if name not in COMMANDS:
        return "altool --help lists commands and options"
    more = "; options of a strategy or a classifier are keys of a [[run]] of --plan" if name == "simulate" else ""
    return f"altool {name} --help lists the options{more}"


# What of an operating system's errors is in the user's hands: the path that was given (2), or the disk (3).
OF_PATHS = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP}
OF_PATHS |= {errno.EEXIST, errno.ENOTEMPTY, errno.EBUSY, errno.ENXIO}
OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}


def _of_system(error: OSError) -> tuple[str, str, int]:
    """The message, the hint and the status of an error of the operating system."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    code = 2 if error.errno in OF_PATHS else 3 if error.errno in OF_DISKS else 1
    return f"{name}: {reason}" if name else reason, "check the path, the disk and your access to it", code


def _give_up_output() -> None:
    """Nothing can be written to standard output: neither now nor when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _explain(console: Console, error: Exception, message: str, hint: str, code: int) -> int:
    if "--debug" in sys.argv:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            print(visible(line), file=sys.stderr)
    try:
        console.error(message, hint, type(error).__name__, code, getattr(error, "summary", None))
    except (OSError, AltoolError):
        _give_up_output()
    return code
