"""The command line: one thin entry per command, shared options declared once, errors turned into text and exit codes.

Only what a command needs is imported, and only when it runs: `altool --help` stays light. Annotations are not postponed here: typer
would compile every one of them at each start.
"""

import errno
import importlib
import io
import os
import sys
from typing import Annotated, Any

import typer
import typer.core

from altool import __version__
from altool.console import Console
from altool.errors import AltoolError, UsageError
from altool.text import visible


class Command(typer.core.TyperCommand):
    """A command that hears every option that is given: one of a single value is refused when it is there twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        *_, order = self.make_parser(ctx).parse_args(args=list(args))
        for option in dict.fromkeys(order):
            if order.count(option) > 1 and not option.multiple and not (getattr(option, "is_flag", False) and not option.secondary_opts):
                raise UsageError(f"{max(option.opts, key=len)} is given twice", "give it once: it takes a single value")
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="altool",
    help="Active learning over Parquet tables: what to label next so that every class meets its target with the fewest labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Items = Annotated[str | None, typer.Option("--items", metavar="TABLE", help="Items: id and image, path or text.")]
_FEATURES = typer.Option("--features", metavar="TABLE", help="Features: id and one vector per row.")
Features = Annotated[str, _FEATURES]
OptionalFeatures = Annotated[str | None, _FEATURES]
_LABELS = typer.Option("--labels", metavar="TABLE", help="The label log (a folder), or a table of labels.")
Labels = Annotated[str, _LABELS]
OptionalLabels = Annotated[str | None, _LABELS]
Predictions = Annotated[str | None, typer.Option("--predictions", metavar="TABLE", help="Predictions: id and one probability per class.")]
Targets = Annotated[str | None, typer.Option("--targets", metavar="TABLE", help="Per-class targets: TOML or a table.")]
_OUTPUT = typer.Option("-o", "--output", metavar="PATH", help="Where to write; - is standard output.")
Output = Annotated[str, _OUTPUT]
OptionalOutput = Annotated[str | None, _OUTPUT]
Format = Annotated[str | None, typer.Option("--format", metavar="NAME", help="parquet, arrow, csv or jsonl, for what is written.")]
Columns = Annotated[
    str | None, typer.Option("--columns", metavar="NAME=OTHER,…", help="Other names for the contract's columns, as id=item_id.")
]
Classes = Annotated[str | None, typer.Option("--classes", metavar="A,B,…", help="The classes in probability order, or a file of them.")]
TimeZone = Annotated[
    str | None, typer.Option("--time-zone", metavar="ZONE", help="Of times without an offset: UTC, +02:00 or Europe/Berlin; else refused.")
]
TimeUnit = Annotated[
    str | None, typer.Option("--time-unit", metavar="s|ms|us|ns", help="Of times that are numbers since 1970; else refused.")
]
UnlabeledValue = Annotated[
    list[str] | None, typer.Option("--unlabeled-value", metavar="VALUE", help="A label that means there is none, as -1; repeat it.")
]
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
    for name in ("round", "retract_auto"):
        if (arguments.get(name) or 0) >= 2**31:  # the contract's columns are int32
            raise UsageError(f"--{name.replace('_', '-')}: there is no round {arguments[name]}", "the last one is 2147483647")
    arguments.pop("debug")
    if arguments["json"] and arguments.get("output") == "-":
        raise UsageError("--json and --output - both want standard output", "write the table to a file")
    console = Console(json_output=arguments.pop("json"), quiet=arguments.pop("quiet"))
    module = importlib.import_module(f"altool.commands.{command}")
    module.run(module.Options(**arguments), console)


def main() -> None:
    """The `altool` program: runs a command and exits with its status (interface.md, "Exit codes")."""
    arguments = sys.argv[1:]
    console = Console(json_output="--json" in arguments)
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115 (a closed one)
    for stream in (sys.stdout, sys.stderr):  # a terminal that is not UTF-8 shows an escape for what it has no character for
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(arguments, prog_name="altool", standalone_mode=False)
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
            code = _explain(console, error, error.format_message(), "altool --help lists commands and options", 2)
        else:
            text = f"a fault in altool itself: {type(error).__name__}: {error}"
            code = _explain(console, error, " ".join(text.split()), "run it again with --debug and report what it shows", 1)
    try:
        sys.stdout.flush()
    except OSError:
        _give_up_output()
    sys.exit(code)


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


@app.command(cls=Command)
def embed(
    items: Annotated[str, typer.Option("--items", metavar="TABLE", help="Items: id and image, path or text.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="PATH", help="A Parquet file, or with a / at its end a folder of them.")],
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", metavar="NAME", help="A torchvision network (resnet18, the default, …), pixels, hashing or fasttext."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="FEATURES|MODEL", help="Embed in the vector space of these features, or of a model, without a fit."),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Add the items whose ids the output does not hold yet, in its vector space.")
    ] = False,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="DEFAULT|none|FILE", help="torchvision's best weights, random ones, or a file.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option("--image-size", min=1, metavar="N", help="Images at N x N pixels; the network's own size, or 32 (pixels).")
    ] = None,
    gray: Annotated[bool, typer.Option("--gray", help="pixels: one gray value per pixel instead of red, green and blue.")] = False,
    width: Annotated[
        int | None, typer.Option("--width", min=1, metavar="N", help="Numbers per text: 256 (hashing), 100 (fasttext without a file).")
    ] = None,
    projection: Annotated[
        str | None, typer.Option("--projection", metavar="svd|random", help="hashing: how n-grams come to that width; svd.")
    ] = None,
    dtype: Annotated[str | None, typer.Option("--dtype", metavar="float32|float16", help="The numbers that are written; float32.")] = None,
    minibatch: Annotated[
        int | None, typer.Option("--minibatch", min=1, metavar="N", help="Images per step of a network: 16, on a GPU 256.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, metavar="N", help="Processes that decode images; as many as cores if it takes long. 0: none."),
    ] = None,
    shard_rows: Annotated[int, typer.Option("--shard-rows", min=1, metavar="N", help="A killed run loses at most so many rows.")] = 4096,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help="Read paths that lead out of the table's folder.")] = False,
    columns: Columns = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same seed gives the same bytes; 0.")] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn images or texts into feature vectors."""
    _run("embed", locals())


@app.command(cls=Command)
def train(
    labels: Labels,
    output: Output,
    features: OptionalFeatures = None,
    items: Items = None,
    classifier: Annotated[
        str,
        typer.Option(
            "--classifier",
            metavar="NAME",
            help="On features: logistic, svm, linear-svm for many labels, or mlp; on texts: fasttext; on images: resnet18, ….",
        ),
    ] = "logistic",
    folds: Annotated[int | None, typer.Option("--folds", min=2, help="Predict every labeled row by a model that did not see it.")] = None,
    oof: Annotated[str | None, typer.Option("--oof", metavar="PATH", help="Where the out-of-fold predictions go.")] = None,
    balance: Annotated[
        str, typer.Option("--balance", help="none, class-weight (fasttext: rows of smaller classes are repeated) or prior.")
    ] = "none",
    targets: Targets = None,
    logistic_c: Annotated[float | None, typer.Option("--logistic-c", help="Inverse strength of the L2 penalty; 1.")] = None,
    logistic_iterations: Annotated[int | None, typer.Option("--logistic-iterations", min=1, help="Most steps of the solver; 1000.")] = None,
    svm_kernel: Annotated[str | None, typer.Option("--svm-kernel", metavar="NAME", help="linear, rbf or poly; linear.")] = None,
    svm_c: Annotated[
        str | None, typer.Option("--svm-c", metavar="C", help="The cost of a row on the wrong side; auto, by cross-validation.")
    ] = None,
    linear_svm_c: Annotated[
        str | None, typer.Option("--linear-svm-c", metavar="C", help="The same of linear-svm, on scaled features; auto.")
    ] = None,
    linear_svm_iterations: Annotated[
        int | None, typer.Option("--linear-svm-iterations", min=1, help="Most steps of its solver; 1000.")
    ] = None,
    fasttext_dim: Annotated[int | None, typer.Option("--fasttext-dim", min=1, help="Width of the vectors; 100, or the file's.")] = None,
    fasttext_epochs: Annotated[int | None, typer.Option("--fasttext-epochs", min=1, help="How often every text is read; 50.")] = None,
    fasttext_rate: Annotated[float | None, typer.Option("--fasttext-rate", min=1e-6, help="Learning rate at the beginning; 0.5.")] = None,
    fasttext_word_ngrams: Annotated[
        int | None, typer.Option("--fasttext-word-ngrams", min=1, help="Most words in a row that have a vector together; 1.")
    ] = None,
    fasttext_minn: Annotated[int | None, typer.Option("--fasttext-minn", min=0, help="Fewest characters of character n-grams; 0.")] = None,
    fasttext_maxn: Annotated[
        int | None, typer.Option("--fasttext-maxn", min=0, help="Most characters of character n-grams; 0: there are none.")
    ] = None,
    fasttext_buckets: Annotated[
        int | None, typer.Option("--fasttext-buckets", min=1, max=2**31 - 1, help="Vectors that n-grams share by their hash; 200000.")
    ] = None,
    fasttext_min_count: Annotated[
        int | None, typer.Option("--fasttext-min-count", min=1, help="How often a word must be there to have a vector; 1.")
    ] = None,
    fasttext_pretrained: Annotated[
        str | None, typer.Option("--fasttext-pretrained", metavar="FILE", help="Text file of vectors (.vec) to begin with.")
    ] = None,
    mlp_hidden: Annotated[str | None, typer.Option("--mlp-hidden", metavar="N,N", help="Widths of the hidden layers; 128,128.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME", help="A paper's training: taal, alamp-ft, clarifier, direct, ta-vaal. Options override."),
    ] = None,
    from_model: Annotated[
        str | None, typer.Option("--from", metavar="DIR", help="Deep: start from this model; by default from its first weights each time.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Deep: how often every row is seen; 100.")] = None,
    minibatch: Annotated[int | None, typer.Option("--minibatch", metavar="N", help="Deep: most rows per step; 128, mlp 64.")] = None,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", metavar="NAME", help="Deep: sgd, nesterov or adam; sgd, mlp adam.")
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Deep: learning rate; 0.01, mlp 0.003.")] = None,
    momentum: Annotated[float | None, typer.Option("--momentum", help="Deep: of sgd and nesterov; 0.9.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="Deep: 0.0005, mlp 0.0001.")] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="NAME", help="Deep: of the rate: constant, cosine, steps or plateau; cosine.")
    ] = None,
    stop_accuracy: Annotated[
        float | None, typer.Option("--stop-accuracy", metavar="SHARE", help="Deep: end when so many training rows are right; never.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option("--dropout", metavar="SHARE", help="Deep: before the head; mlp: behind every hidden layer; 0.")
    ] = None,
    ranker: Annotated[
        str | None, typer.Option("--ranker", metavar="NAME", help="Deep: learn to predict the loss: none, ranking (TA-VAAL) or loss; none.")
    ] = None,
    ranker_weight: Annotated[float | None, typer.Option("--ranker-weight", help="Deep: weight of the ranker's loss; 1.")] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", metavar="NAME", help="Deep: float32, bfloat16 or float16; auto: mixed on a GPU.")
    ] = None,
    compile: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Deep: compile the network, which pays in long runs on a GPU; no.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="DEFAULT|none|FILE", help="Networks: what training starts from; DEFAULT.")
    ] = None,
    frozen: Annotated[bool | None, typer.Option("--frozen/--no-frozen", help="Networks: train the head alone; no.")] = None,
    stem: Annotated[
        str | None, typer.Option("--stem", metavar="NAME", help="Networks: imagenet, or small for images of about 32 pixels; imagenet.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option("--image-size", min=1, metavar="N", help="Networks: pixels; the network's own size, or 32 (small stem).")
    ] = None,
    augment: Annotated[str | None, typer.Option("--augment", metavar="NAME", help="Networks: none, flip, crop or flip,crop; flip.")] = None,
    crop_border: Annotated[
        int | None, typer.Option("--crop-border", min=0, metavar="N", help="Networks: black pixels around what is cropped; 1/8, or 0.")
    ] = None,
    vaal: Annotated[
        str,
        typer.Option("--vaal", metavar="NAME", help="Also learn what tells labeled rows from the pool: none, vaal or ta-vaal (ranked)."),
    ] = "none",
    vaal_epochs: Annotated[int | None, typer.Option("--vaal-epochs", min=1, help="VAAL: how often the labeled rows are seen; 100.")] = None,
    vaal_rate: Annotated[float | None, typer.Option("--vaal-rate", min=1e-9, help="VAAL: learning rate; 0.0005.")] = None,
    vaal_latent: Annotated[int | None, typer.Option("--vaal-latent", min=1, help="VAAL: width of the latent space; 32.")] = None,
    vaal_width: Annotated[int | None, typer.Option("--vaal-width", min=1, help="VAAL: channels of the first layer; 128.")] = None,
    checkpoint_seconds: Annotated[
        float | None, typer.Option("--checkpoint-seconds", min=0, help="Deep: a killed run goes on from its state so long ago; 60.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, metavar="N", help="Processes that decode images; as many as cores if it takes long. 0: none."),
    ] = None,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help="Read paths that lead out of the table's folder.")] = False,
    columns: Columns = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B,…", help="The model's classes in order, or a file of them; unlabeled ones too.")
    ] = None,
    time_zone: TimeZone = None,
    time_unit: TimeUnit = None,
    unlabeled_value: UnlabeledValue = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    strict: Strict = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit a classifier on the labels."""
    _run("train", locals())


@app.command(cls=Command)
def score(
    model: Annotated[str, typer.Option("--model", metavar="DIR", help="A model that altool train wrote.")],
    output: Output,
    features: OptionalFeatures = None,
    items: Items = None,
    features_output: Annotated[
        str | None, typer.Option("--features-output", metavar="PATH", help="Also write the vectors that the softmax sees.")
    ] = None,
    thresholds: Annotated[
        str | None,
        typer.Option("--thresholds", metavar="TABLE", help="Metrics of a report: a column of the classes above their threshold."),
    ] = None,
    mc_dropout: Annotated[
        int | None,
        typer.Option("--mc-dropout", min=2, metavar="N", help="Mean over N networks with dropout, and their mutual information."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, metavar="N", help="Processes that decode images; as many as cores if it takes long. 0: none."),
    ] = None,
    allow_outside: Annotated[bool, typer.Option("--allow-outside", help="Read paths that lead out of the table's folder.")] = False,
    columns: Columns = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict the probability of every class for every row."""
    _run("score", locals())


@app.command(cls=Command)
def select(
    strategy: Annotated[str | None, typer.Option("--strategy", metavar="NAME", help="How to choose; see --list-strategies.")] = None,
    budget: Annotated[int | None, typer.Option("--budget", min=1, help="How many rows to choose.")] = None,
    budget_seconds: Annotated[
        float | None,
        typer.Option("--budget-seconds", min=0, help="Instead of --budget: as many rows as people's time pays for."),
    ] = None,
    output: OptionalOutput = None,
    predictions: Predictions = None,
    features: OptionalFeatures = None,
    items: Items = None,
    labels: OptionalLabels = None,
    queries: Annotated[
        list[str] | None,
        typer.Option(
            "--queries", metavar="TABLE", help="Earlier rows and their tiers; --no-wait: the round's questions so far. Repeat it."
        ),
    ] = None,
    targets: Targets = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="TABLE", help="Metrics of a report: its classes below target are the query classes."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="DIR", help="A model with a linear head, for --strategy base.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="TABLE", help="A ranked table, for --strategy queue.")] = None,
    within: Annotated[str | None, typer.Option("--within", metavar="TABLE", help="Choose among these ids only.")] = None,
    exclude: Annotated[str | None, typer.Option("--exclude", metavar="TABLE", help="Never choose these ids.")] = None,
    previous: Annotated[
        str | None, typer.Option("--previous", metavar="TABLE", help="The previous round's predictions, for --strategy alamp.")
    ] = None,
    diversify: Annotated[bool, typer.Option("--diversify", help="Take at most one row per predicted class in each pass.")] = False,
    diversify_by: Annotated[
        str | None,
        typer.Option("--diversify-by", metavar="ROUND", help="Classes predicted in the previous or the current round; alamp: previous."),
    ] = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Add the model's label to every query.")] = False,
    target_aware: Annotated[
        bool, typer.Option("--target-aware", help="Re-order the strategy's queue towards classes below their target (TAAL).")
    ] = False,
    candidate_threshold: Annotated[
        float | None,
        typer.Option("--candidate-threshold", min=0, max=1, help="Classes with this share of a row's largest; 0.5."),
    ] = None,
    queue_size: Annotated[
        int | None, typer.Option("--queue-size", min=1, help="Rows picked for --target-aware to choose from; ten times the budget.")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option("--partitions", min=1, metavar="P", help="Pick in P random parts of the pool, several at once.")
    ] = None,
    query_classes: Annotated[
        str | None,
        typer.Option(
            "--query-classes",
            metavar="A,B",
            help="The classes of interest, or a file of them; for measures by default all but the most common.",
        ),
    ] = None,
    private_classes: Annotated[
        str | None,
        typer.Option("--private-classes", metavar="A,B", help="Measures: stay away from these (or a file of them); all labeled others."),
    ] = None,
    similarity: Annotated[
        str | None, typer.Option("--similarity", metavar="NAME", help="Measures: features or gradient (if there are predictions).")
    ] = None,
    kernel: Annotated[
        str | None, typer.Option("--kernel", metavar="NAME", help="Measures: shifted, (1 + cosine) / 2, or cosine; shifted.")
    ] = None,
    eta: Annotated[float | None, typer.Option("--eta", min=0, help="Measures: how much the query classes weigh; 1.")] = None,
    nu: Annotated[float | None, typer.Option("--nu", min=0, help="Measures: how strictly to avoid the private classes; 1.")] = None,
    ridge: Annotated[
        float | None, typer.Option("--ridge", min=1e-9, help="Log-det measures: added to the diagonal; gccg: weight of redundancy; 1.")
    ] = None,
    first: Annotated[str | None, typer.Option("--first", metavar="ID", help="coreset: the row to begin with.")] = None,
    bait_lambda: Annotated[float | None, typer.Option("--bait-lambda", min=1e-9, help="bait: regularisation; 1.")] = None,
    bait_oversample: Annotated[
        float | None, typer.Option("--bait-oversample", min=1, help="bait: how many times the budget is picked before rows are dropped; 2.")
    ] = None,
    bait_components: Annotated[
        int | None, typer.Option("--bait-components", min=1, help="bait: principal components instead of all features.")
    ] = None,
    cluster_margin_factor: Annotated[
        float | None, typer.Option("--cluster-margin-factor", min=1, help="cluster-margin: rows of small margin per row chosen; 1.25.")
    ] = None,
    cluster_margin_threshold: Annotated[
        float | None, typer.Option("--cluster-margin-threshold", min=0, help="cluster-margin: distance up to which clusters are joined.")
    ] = None,
    e3g_decay: Annotated[float | None, typer.Option("--e3g-decay", min=0, help="e3g: how fast exploration fades per label.")] = None,
    e3g_epsilon_min: Annotated[
        float | None, typer.Option("--e3g-epsilon-min", min=0, max=1, help="e3g: share that is always explored; 0.1.")
    ] = None,
    e3g_clusters: Annotated[int | None, typer.Option("--e3g-clusters", min=1, help="e3g: strata of exploration; at most 100.")] = None,
    total_budget: Annotated[
        int | None, typer.Option("--total-budget", min=1, help="e3g: labels at which the smallest share is reached; 6000.")
    ] = None,
    direct_min_per_class: Annotated[
        int | None, typer.Option("--direct-min-per-class", min=1, help="direct: search the rarest classes only, with so many labels each.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, metavar="B", help="direct, galaxy: rows that are labeled at once; 20.")
    ] = None,
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="direct, galaxy: repeat what has no answer yet, or ask on; --no-wait needs --queries."),
    ] = None,
    oracle: Annotated[
        str | None, typer.Option("--oracle", metavar="TABLE", help="direct, galaxy: labels that answer at once, for backtests.")
    ] = None,
    alamp_base: Annotated[
        str | None, typer.Option("--alamp-base", metavar="NAME", help="alamp: margin, entropy or least-confidence; margin.")
    ] = None,
    clarifier_budgets: Annotated[
        str | None,
        typer.Option("--clarifier-budgets", metavar="H,I,E", help="clarifier: rows of the hard, intermediate and easy tier, or auto."),
    ] = None,
    clarifier_hard: Annotated[
        str | None, typer.Option("--clarifier-hard", metavar="NAME", help="clarifier: the strategy of the hard tier; badge.")
    ] = None,
    clarifier_measure: Annotated[
        str | None,
        typer.Option("--clarifier-measure", metavar="NAME", help="clarifier: logdetmi, flqmi, flvmi, gcmi or com; logdetmi."),
    ] = None,
    clarifier_easy: Annotated[
        str | None,
        typer.Option("--clarifier-easy", metavar="NAME", help="clarifier: easy rows balanced over classes or global; balanced."),
    ] = None,
    audit: Annotated[
        int | None, typer.Option("--audit", min=1, metavar="N", help="clarifier: ask people for N random rows of the easy tier.")
    ] = None,
    clarifier_use_auto: Annotated[
        bool, typer.Option("--clarifier-use-auto", help="clarifier: be like rows that no person has labeled, too.")
    ] = False,
    subset_factor: Annotated[
        int | None,
        typer.Option("--subset-factor", min=0, help="learning-loss, vaal, ta-vaal: of a sample so many times the budget; 10. 0: of all."),
    ] = None,
    export: Annotated[
        list[str] | None, typer.Option("--export", metavar="FORMAT=FILE", help="Also write what an annotation tool imports.")
    ] = None,
    round: Round = None,
    format: Format = None,
    columns: Columns = None,
    classes: Classes = None,
    time_zone: TimeZone = None,
    time_unit: TimeUnit = None,
    unlabeled_value: UnlabeledValue = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="Where strategies that pick compute; see embed.")] = "cpu",
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="SIZE", help="As 4GiB: what does not fit lies in TMPDIR; 3/4 of the free memory.")
    ] = None,
    threads: Threads = 0,
    strict: Strict = False,
    overwrite: Overwrite = False,
    list_strategies: Annotated[bool, typer.Option("--list-strategies", help="Print every strategy and stop.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Choose what to label next."""
    _run("select", locals())


@app.command(cls=Command)
def import_labels(
    labels: Annotated[str, typer.Option("--labels", metavar="DIR", help="The label log, a folder; made if it is missing.")],
    exports: Annotated[
        list[str] | None, typer.Argument(metavar="EXPORT...", help="What the annotation tool exported; files, folders or -.")
    ] = None,
    from_: Annotated[
        str, typer.Option("--from", metavar="FORMAT", help="auto (by content), csv, jsonl, parquet, label-studio, prodigy, ….")
    ] = "auto",
    queries: Annotated[
        list[str] | None,
        typer.Option("--queries", metavar="TABLE", help="What was asked for, with its round and source; once per table, or a glob."),
    ] = None,
    auto: Annotated[
        str | None,
        typer.Option("--auto", metavar="QUERIES", help="Instead of an EXPORT: take the suggestions of its rows of source auto as labels."),
    ] = None,
    retract_auto: Annotated[
        int | None, typer.Option("--retract-auto", min=0, metavar="ROUND", help="Instead of an EXPORT: withdraw that round's auto labels.")
    ] = None,
    round: Annotated[int | None, typer.Option("--round", min=0, help="The round of every row, instead of its query's.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="seed, explore, exploit, auto or holdout, instead of its query's.")
    ] = None,
    items: Annotated[str | None, typer.Option("--items", metavar="TABLE", help="Take labels of these ids too, if no query asked.")] = None,
    targets: Annotated[
        str | None, typer.Option("--targets", metavar="TABLE", help="Only classes with a target are taken; any, with a default target.")
    ] = None,
    id_col: Annotated[str | None, typer.Option("--id-col", metavar="NAME", help="The export's column or key that holds the id.")] = None,
    annotator_columns: Annotated[
        str | None, typer.Option("--annotator-columns", metavar="A,B,…", help="One column of labels per annotator, besides annotator:NAME.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="COLUMN=VALUE", help="Only rows that have this count; repeat it for more values or columns."),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option("--annotator", metavar="NAME|file", help="Who answered what says no name; file: whom each is named after.")
    ] = None,
    trim: Annotated[bool, typer.Option("--trim", help="Labels and annotators without blanks at their ends.")] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take answers out of the log that the export does not have any more.")
    ] = False,
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="OLD=NEW", help="Instead of an EXPORT: the log's labels of a class are of another."),
    ] = None,
    drop_class: Annotated[
        list[str] | None, typer.Option("--drop-class", metavar="NAME", help="Instead of an EXPORT: withdraw the log's labels of a class.")
    ] = None,
    skip_value: Annotated[
        list[str] | None, typer.Option("--skip-value", metavar="LABEL", help="The label by which a row was skipped; repeat it.")
    ] = None,
    label_map: Annotated[
        list[str] | None, typer.Option("--label-map", metavar="OLD=NEW,…", help="Other names for the tool's labels, or a file of them.")
    ] = None,
    allow_new_classes: Annotated[bool, typer.Option("--allow-new-classes", help="Take classes that nothing names yet.")] = False,
    columns: Columns = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B,…", help="Only these classes are taken; or a file of them.")
    ] = None,
    time_zone: TimeZone = None,
    time_unit: TimeUnit = None,
    unlabeled_value: UnlabeledValue = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take nothing if a row is refused.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add what annotators answered to the label log."""
    _run("import_labels", locals())


@app.command(cls=Command)
def simulate(
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="A folder with one folder per run; give it again to go on.")],
    plan: Annotated[str | None, typer.Option("--plan", metavar="FILE", help="TOML: these options as keys, and a [[run]] per run.")] = None,
    features: OptionalFeatures = None,
    items: Items = None,
    labels: Annotated[str | None, typer.Option("--labels", metavar="TABLE", help="The truth: a label for every row of the pool.")] = None,
    targets: Targets = None,
    holdout_labels: Annotated[str | None, typer.Option("--holdout-labels", metavar="TABLE", help="Rows to measure on.")] = None,
    holdout_share: Annotated[
        float | None, typer.Option("--holdout-share", min=0.001, max=0.999, help="Share of each class held out, if no row is; 0.2.")
    ] = None,
    imbalance: Annotated[
        str | None, typer.Option("--imbalance", metavar="R|A=SHARE,…", help="Thin classes out: a long tail 1:R, or a share per class.")
    ] = None,
    rare_classes: Annotated[
        str | None, typer.Option("--rare-classes", metavar="A,B", help="With --imbalance R: these keep 1/R of their rows.")
    ] = None,
    merge_classes: Annotated[
        list[str] | None, typer.Option("--merge-classes", metavar="NEW=A,B", help="Take classes for one; repeat it.")
    ] = None,
    strategy: Annotated[list[str] | None, typer.Option("--strategy", metavar="NAME", help="What to try; repeat it.")] = None,
    classifier: Annotated[str | None, typer.Option("--classifier", metavar="NAME", help="As in train; logistic.")] = None,
    balance: Annotated[str | None, typer.Option("--balance", help="As in train.")] = None,
    diversify: Annotated[bool | None, typer.Option("--diversify", help="As in select.")] = None,
    suggest: Annotated[bool | None, typer.Option("--suggest", help="As in select; suggestions save --seconds.")] = None,
    target_aware: Annotated[
        str | None, typer.Option("--target-aware", metavar="both|on|off", help="Every run with TAAL, without it, or both; needs --targets.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option("--queue", metavar="TABLE", help="A ranked table, for --strategy queue; {repeat} is its repeat.")
    ] = None,
    seed_size: Annotated[int | None, typer.Option("--seed-size", min=1, help="Labels drawn at random before the first round.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Rounds after the seed set.")] = None,
    budget: Annotated[int | None, typer.Option("--budget", min=1, help="How many rows to ask for in each round.")] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", min=1, help="How often every run is replayed; 1.")] = None,
    label_noise: Annotated[
        str | None, typer.Option("--label-noise", metavar="P|TABLE", help="Share of wrong answers, or a table class, answer, share.")
    ] = None,
    skip: Annotated[float | None, typer.Option("--skip", min=0, max=0.999, help="Share of rows that an annotator skips.")] = None,
    annotators: Annotated[int | None, typer.Option("--annotators", min=1, help="Who answer each row; the majority counts.")] = None,
    seconds: Annotated[
        str | None, typer.Option("--seconds", metavar="V,C,S", help="Seconds to verify or correct a suggestion, or to label from scratch.")
    ] = None,
    at_precision: Annotated[
        float | None, typer.Option("--at-precision", min=0, max=1, help="Precision of recall at precision; 0.9.")
    ] = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2, help="Folds of the estimates that target-aware runs see; 5.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Runs at once, each in a process of its own; 0 is one per core.")] = 0,
    columns: Columns = None,
    classes: Classes = None,
    time_zone: TimeZone = None,
    time_unit: TimeUnit = None,
    unlabeled_value: UnlabeledValue = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same seed gives the same bytes; 0.")] = None,
    strict: Strict = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Replay labeling rounds on rows whose labels are known."""
    _run("simulate", locals())


@app.command(cls=Command)
def report(
    predictions: Annotated[
        str | None, typer.Option("--predictions", metavar="TABLE", help="Out-of-fold predictions, or those of a holdout.")
    ] = None,
    labels: OptionalLabels = None,
    targets: Targets = None,
    features: Annotated[str | None, typer.Option("--features", metavar="TABLE", help="Features: draws a map of the pool.")] = None,
    queries: Annotated[
        list[str] | None, typer.Option("--queries", metavar="TABLE", help="Shows what was asked; repeat it for several tables.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="DIR", help="A deep model: shows how its training went, epoch by epoch.")
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", metavar="TABLE", help="Metrics of earlier rounds: a folder, a glob, or repeat it. Alone: compares runs."),
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Also write an HTML page with plots.")] = None,
    metrics_output: Annotated[str | None, typer.Option("--metrics-output", metavar="PATH", help="Also write the metrics table.")] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="RUN", help="--history alone: what the others are compared with; random.")
    ] = None,
    level: Annotated[
        list[float] | None,
        typer.Option("--level", min=0, max=1, help="--history alone: labels needed to reach it; repeat it. 90 % of the best at the end."),
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", metavar="NAME", help="--history alone: what the curves show; macro_f1.")] = None,
    tail_classes: Annotated[
        str | None, typer.Option("--tail-classes", metavar="A,B,…", help="--history alone: the rare classes, or a file of them.")
    ] = None,
    tail_share: Annotated[
        float | None,
        typer.Option("--tail-share", min=0, max=1, help="--history alone: the share of classes that are the tail, rarest first."),
    ] = None,
    cost_verify: Annotated[
        float | None,
        typer.Option("--cost-verify", min=0, help="What it costs to verify a right suggestion; measured, if there are seconds."),
    ] = None,
    cost_answer: Annotated[
        float | None, typer.Option("--cost-answer", min=0, help="What any other answer costs: a correction, or one from scratch.")
    ] = None,
    summary_output: Annotated[
        str | None, typer.Option("--summary-output", metavar="PATH", help="--history alone: also write the summary as a table.")
    ] = None,
    check_targets: Annotated[bool, typer.Option("--check-targets", help="Exit with 5 if a class misses its target.")] = False,
    evaluate_on: Annotated[
        str,
        typer.Option(
            "--evaluate-on", help="auto (holdout, else out-of-fold), holdout, out-of-fold, or all: rows that uncertainty chose too."
        ),
    ] = "auto",
    at_precision: Annotated[
        float, typer.Option("--at-precision", min=0, max=1, help="Precision of recall at precision, where the targets name none.")
    ] = 0.9,
    round: Annotated[int | None, typer.Option("--round", min=0, help="The round's number; by default the labels' last.")] = None,
    columns: Columns = None,
    classes: Classes = None,
    time_zone: TimeZone = None,
    time_unit: TimeUnit = None,
    unlabeled_value: UnlabeledValue = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    strict: Strict = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure every class against its target; or, of --history alone, compare what was tried."""
    _run("report", locals())
