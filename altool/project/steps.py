"""The commands of a round: the words of each command line, and what it reads. Paths are relative to the project's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from altool import catalogue
from altool.labels import registry as formats
from altool.models import registry as classifiers
from altool.models.shape import Classifier
from altool.options import flag
from altool.project.settings import Settings, shown
from altool.project.state import ROUNDS, UNDONE, Asked, Known, place, todo
from altool.strategies import registry as strategies
from altool.strategies.inputs import INPUTS
from altool.strategies.registry import Strategy

RANDOM = "random"
BUDGET = 50  # of a round whose budget depends on predictions that there are none of
FOLDS = 5  # without held-out rows


@dataclass(frozen=True)
class Step:
    """A command with its words, the paths that it reads and writes, and the exit statuses that are no error. `record` is the file that
    holds whether it is done ("": it is done anew each time)."""

    command: str
    words: tuple[str, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (0,)
    record: str = ""


@dataclass(frozen=True)
class Round:
    """One round of a project: its `number`, what the log holds and which rounds were asked before it. `batch` counts its tables of
    questions from 1."""

    settings: Settings
    number: int
    known: Known
    before: Sequence[Asked]
    batch: int = 1

    @property
    def path(self) -> str:
        return place(self.number)

    @cached_property
    def classifier(self) -> Classifier:
        return classifiers.classifier(self.settings.of("train", "classifier"))

    @cached_property
    def strategy(self) -> Strategy:
        """The strategy as its options make it. Raises UsageError for one that is unknown, and for options that it does not take."""
        name = self.settings.of("select", "strategy")
        return strategies.prepare(name, self._own_of_strategy, flag, f"--strategy {name}")[0]

    @cached_property
    def _own_of_strategy(self) -> dict[str, Any]:
        own, _ = catalogue.options_of(catalogue.module_of("select"))
        names = {option.name for option in own}
        return {name: value for name, value in self.settings.commands.get("select", {}).items() if name not in names}

    @property
    def embeds(self) -> bool:
        """Are vectors made of the items? A network or a text classifier makes its own, unless [embed] asks for others."""
        return self.classifier.reads == "features" or "backbone" in self.settings.commands.get("embed", {})

    @property
    def vectors(self) -> str:
        """Where the vectors of the pool are: those of the items, or those of this round's model; "": there are none."""
        features = self.settings.project["features"]
        if self.embeds:
            return features if self._there(features) else ""
        return f"{self.path}/vectors.parquet" if self._there(f"{self.path}/vectors.parquet") else ""

    @property
    def model(self) -> str:
        return f"{self.path}/model"

    @property
    def predictions(self) -> str:
        return f"{self.path}/predictions.parquet"

    @property
    def oof(self) -> str:
        """Where the out-of-fold predictions go; "": there are none."""
        wanted = self.settings.of("train", "folds") or not self.known.held_out
        return f"{self.path}/oof.parquet" if wanted and self.known.most > 1 else ""

    @property
    def metrics(self) -> str:
        return f"{self.path}/metrics.parquet"

    @property
    def queries(self) -> str:
        return f"{self.path}/queries.parquet" if self.batch == 1 else f"{self.path}/queries-{self.batch:03d}.parquet"

    @property
    def targets(self) -> str:
        """The file of targets; "" where there is none."""
        targets = self.settings.project["targets"]
        return targets if self._there(targets) else ""

    @property
    def measures(self) -> bool:
        """Is there anything to measure the model on: held-out rows, or labels that were drawn at random?"""
        return bool(self.known.held_out or (self.oof and self.known.drawn))

    def embed(self) -> Step:
        words = ["--items", self._items, "--output", self.settings.project["features"], "--update", *self._of_items, *self._own("embed")]
        return Step("embed", tuple(words))

    def train(self) -> Step:
        source = self._rows("train")
        words = [*source, "--labels", self._labels, *self._own("train", "folds"), "--output", self.model, "--overwrite"]
        reads = [source[1], self._labels]
        if self._classes:
            words += ["--classes", self._classes]
            reads.append(self._classes)
        elif self.targets:
            words += ["--targets", self.targets]
            reads.append(self.targets)
        if self.oof:
            words += ["--folds", str(self.settings.of("train", "folds") or FOLDS), "--oof", self.oof]
        return self._once("train", words, reads, [self.model, *([self.oof] if self.oof else [])])

    def score(self) -> Step:
        source = self._rows("score")
        words = ["--model", self.model, *source, *self._own("score"), "--output", self.predictions, "--overwrite"]
        if not self.embeds and self.classifier.reads == "image":
            words += ["--features-output", f"{self.path}/vectors.parquet"]
        return self._once("score", words, [source[1], f"{self.model}/model.json"], [self.predictions])

    def report(self) -> Step:
        """Measures on the held-out rows, or without any on the out-of-fold predictions."""
        words, reads = self._measuring()
        words += ["--check-targets", self.settings.round["until"]] if self.targets else []
        words += ["--metrics-output", self.metrics, "--overwrite"]
        return self._once("report", words, reads, [self.metrics], (0, 5) if self.targets else (0,))

    def page(self) -> Step:
        """Shows what was measured, and the rows that are asked for since."""
        words, _ = self._measuring()
        words += ["--queries", self.queries] if self._there(self.queries) else []
        words += ["--features", self.vectors] if self.vectors else []
        words += ["--items", self._items, *self._of_items, f"--title={self.settings.name}", "--output", "report.html", "--overwrite"]
        return self._once("report", words, [self.metrics, self.queries], ["report.html"], record=self.page_record)

    @property
    def page_record(self) -> str:
        return f"{self.path}/.page.json"

    def _measuring(self) -> tuple[list[str], list[str]]:
        """The words of a report, and what it reads."""
        measured = self.predictions if self.known.held_out else self.oof
        words = ["--predictions", measured, "--labels", self._labels, "--round", str(self.number), *self._own("report")]
        reads = [measured, self._labels]
        if measured != self.predictions and self._scored:
            words += ["--pool-predictions", self.predictions]
        if self.targets:
            words += ["--targets", self.targets]
            reads.append(self.targets)
        for name, paths in (("--history", self._earlier("metrics.parquet")), ("--previous", self._scored)):
            words += [word for path in paths for word in (name, path)]
            reads += paths
        asked = [table for one in self.before for table in one.tables]
        words += [word for path in asked for word in ("--queries", path)]
        return words, [*reads, *asked]

    def select(self) -> Step:
        """Chooses with this round's predictions."""
        strategy, wanted = self.strategy, self._inputs(self.strategy)
        words = ["--predictions", self.predictions, "--labels", self._labels, "--round", str(self.number), *self._own("select")]
        reads = [self.predictions, self._labels]
        if "features" in wanted and self.vectors:
            words += ["--features", self.vectors]
            reads.append(self.vectors)
        if self.targets and (strategy.steers or self.settings.of("select", "target_aware")):
            words += ["--targets", self.targets]
            words += ["--metrics", self.metrics] if self._there(self.metrics) else []
            reads += [self.targets, self.metrics]
        scored = self._scored
        if scored and (strategy.wrapped.across or self.settings.of("select", "diversify_by") == "previous"):
            words += ["--previous", scored[-1]]
        if "model" in wanted and ("head" in strategy.takes or self.classifier.head):
            words += ["--model", self.model]
        if strategy.wrapped.clustered is not None:
            words += ["--clusters", "clusters.parquet"]
        budgets = self._own_of_strategy.get(strategy.budgets) if strategy.budgets else None
        asked = [table for one in self.before if one.number < self.number for table in one.tables]
        if self.settings.of("select", "budget_seconds") is not None or budgets == "auto":
            words += [word for path in asked for word in ("--queries", path)]
        elif strategy.shape == "ask" and self.settings.of("select", "wait") is False:
            now = [table for one in self.before if one.number == self.number for table in one.tables]
            words += [word for path in now for word in ("--queries", path)]
        return self._asking(words, reads)

    def first(self, exclude: str = "", output: str = "") -> Step:
        """Chooses without predictions, as the first round does: by the strategy itself where it can begin with what there is, and where
        others are held out to measure on; else at random."""
        strategy = self.strategy
        begins = strategy.cold_start and strategy.shape != "ask" and set(strategy.tables) <= ({"features"} if self.vectors else set())
        name = strategy.name if begins and (self.known.held_out or exclude) else RANDOM
        own = self._own_of_strategy if name != RANDOM else {}
        words = ["--strategy", name, *self._pool, "--budget", str(self.budget), "--round", str(self.number), *self._seed]
        words += [word for key, value in own.items() for word in shown("select", key, value)]
        if exclude:
            words += ["--exclude", exclude]
        if output:
            return Step("select", (*words, "--output", output, "--overwrite"), statuses=(0, 4))
        return self._asking([*words, *self._named], [self._labels])

    def hold_out(self, output: str) -> Step:
        """Draws the rows to measure on."""
        rows = str(self.settings.holdout["rows"])
        words = ["--strategy", RANDOM, "--source", "holdout", *self._pool, "--budget", rows, "--round", str(self.number), *self._seed]
        return Step("select", (*words, "--output", output, "--overwrite"), statuses=(0, 4))

    def join(self, parts: str) -> Step:
        """Asks for the rows of several tables of queries at once."""
        rows = str(self.settings.holdout["rows"] + self.budget)
        words = ["--strategy", "queue", "--queue", parts, "--budget", rows, *self._log, *self._named]
        return replace(self._asking(words, []), record="")

    def answers(self, path: str, *, held_out: bool = False) -> Step:
        """Imports an export of answers; or the labels to measure on."""
        words = [path, "--labels", self._labels]
        if held_out:
            words += ["--source", "holdout"]
        else:
            for pattern in (f"{ROUNDS}/*/queries*.parquet", f"{UNDONE}/*/queries*.parquet"):
                words += ["--queries", pattern] if any(self.settings.folder.glob(pattern)) else []
            if "--queries" not in words:  # labels that were there before the first round
                words += ["--items", self._items, *self._columns]
        words += self._named or ["--allow-new-classes"]
        return Step("import-labels", (*words, *self._own("import-labels")))

    def automatic(self, one: Asked) -> Step:
        """Takes the suggestions that the machine is sure of."""
        words = ["--auto", one.tables[0], "--labels", self._labels]
        return self._once("import-labels", words, [one.tables[0]], [self._labels], record=f"{one.path}/.auto.json")

    @property
    def budget(self) -> int:
        """The rows of a batch, where no predictions decide about it."""
        return self.settings.of("select", "budget") or BUDGET

    # -- parts of command lines ------------------------------------------------------------------------------------------------------------

    def _asking(self, words: Sequence[str], reads: Sequence[str]) -> Step:
        """A selection that people are to answer."""
        exports = self.settings.round["export"]
        words = [*words, *(["--items", self._items, *self._columns] if exports and "--items" not in words else [])]
        for name in exports:
            tool = "" if name in ("csv", "html") else f".{name}"
            words += ["--export", f"{name}={self.path}/{todo(self.batch)}{tool}{formats.writer(name).ending}"]
        words += ["--output", self.queries, "--overwrite"]
        items = self.settings.folder / self._items
        if not self.vectors and not items.is_file():  # a folder of images: only looking at all of them tells whether there are new ones
            return Step("select", tuple(words), statuses=(0, 4))
        record = f"{self.path}/.select-{self.batch:03d}.json"
        return self._once("select", words, [*reads, self._items] if items.is_file() else reads, [self.queries], (0, 4), record)

    def _once(
        self,
        command: str,
        words: Sequence[str],
        reads: Sequence[str],
        writes: Sequence[str],
        statuses: tuple[int, ...] = (0,),
        record: str = "",
    ) -> Step:
        return Step(command, tuple(words), tuple(reads), tuple(writes), statuses, record or f"{self.path}/.{command}.json")

    def _own(self, command: str, *without: str) -> list[str]:
        """The words of what altool.toml sets for a command."""
        values = self.settings.commands.get(command, {})
        return [word for name, value in values.items() if name not in without for word in shown(command, name, value)]

    def _rows(self, command: str) -> list[str]:
        """What a model is fitted on, or scores."""
        if self.classifier.reads == "features":
            return ["--features", self.settings.project["features"]]
        return ["--items", self._items, *self._of_items]

    @property
    def _pool(self) -> list[str]:
        pool = ["--features", self.vectors] if self.vectors else ["--items", self._items, *self._columns]
        return [*pool, *self._log]

    @property
    def _log(self) -> list[str]:
        return ["--labels", self._labels] if self._there(self._labels) else []

    @property
    def _seed(self) -> list[str]:
        seed = self.settings.commands.get("select", {}).get("seed")
        return ["--seed", str(seed)] if seed is not None else []

    @property
    def _items(self) -> str:
        items: str = self.settings.project["items"]
        return items

    @property
    def _labels(self) -> str:
        labels: str = self.settings.project["labels"]
        return labels

    @property
    def _classes(self) -> str | None:
        classes: str | None = self.settings.project["classes"]
        return classes

    @property
    def _named(self) -> list[str]:
        return ["--classes", self._classes] if self._classes else []

    @property
    def _columns(self) -> list[str]:
        columns = self.settings.project["columns"]
        return ["--columns", columns] if columns else []

    @property
    def _of_items(self) -> list[str]:
        return [*self._columns, *(["--allow-outside"] if self.settings.project["allow_outside"] else [])]

    @property
    def _scored(self) -> list[str]:
        """The predictions of earlier rounds that are there."""
        return self._earlier("predictions.parquet")

    def _earlier(self, name: str) -> list[str]:
        paths = [f"{place(number)}/{name}" for number in range(self.number)]
        return [path for path in paths if self._there(path)]

    def _inputs(self, strategy: Strategy) -> set[str]:
        """The tables that a strategy reads, or could."""
        parts = [strategy, *([strategy.inner] if strategy.inner else [])]
        return {INPUTS[name].table for part in parts for name in (*part.takes, *part.optional)}

    def _there(self, path: str) -> bool:
        return (self.settings.folder / path).exists()
