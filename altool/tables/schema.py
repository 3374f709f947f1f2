"""The columns of every kind of table, and the metadata that altool writes beside them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

STRING = pa.string()
ID = pa.null()  # a string or an integer: each table brings its own type
TIMESTAMP = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.string())
MATRIX = pa.list_(pa.float32())  # written as fixed_size_list<float32 or float16>[width]


@dataclass(frozen=True)
class Kind:
    """One kind of table: its columns in writing order, and which of them every table of the kind has."""

    name: str
    columns: dict[str, pa.DataType]
    required: tuple[str, ...]


# What writes the columns of predictions that not every model has.
WRITERS = {
    "mutual_information": "altool score --mc-dropout N writes it",
    "predicted_loss": "altool score writes it for a model that altool train --ranker ranking (or --classifier loss-ranker) fitted",
    "labeled_probability": "altool score writes it for a model that altool train --vaal vaal (or ta-vaal) fitted",
}

QUERY_COLUMNS: dict[str, pa.DataType] = {
    "id": ID,
    "rank": pa.int32(),
    "score": pa.float32(),
    "strategy": STRING,
    "round": pa.int32(),
    "source": STRING,
    "tier": STRING,
    "suggested_label": STRING,
    "suggested_probability": pa.float32(),
    "suggested_by": STRING,  # MODEL, or CHANCE where another class replaced the model's, to time people
    "target_class": STRING,
    "phase": STRING,  # of strategies that ask: search or spend
    "candidate_labels": STRINGS,
    "reason": STRING,  # which of the strategy's steps took the row
    "not_annotators": STRINGS,  # who answered the row before, of labels that are asked again
}

METRIC_COLUMNS: dict[str, pa.DataType] = {
    "class": STRING,
    "metric": STRING,
    "value": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "support": pa.int64(),
    "labels": pa.int64(),
    "target": pa.float64(),
    "gap": pa.float64(),
    "weight": pa.float64(),
    "threshold": pa.float64(),
    "round": pa.int32(),
}
# Of a class's target: proved, estimate or not_yet, and about how many held-out rows of the class would prove it.
PROOF_COLUMNS: dict[str, pa.DataType] = {"state": STRING, "rows_to_prove": pa.int64()}
# The forecast of a class's target (metrics.forecast.STATES), and how many more labels it needs, with an 80 % interval.
FORECAST_COLUMNS: dict[str, pa.DataType] = {"forecast": STRING} | {f"labels_to_target{end}": pa.int64() for end in ("", "_low", "_high")}
# What the rows of a sample say of the class, for TAAL's weights: held-out rows, labels drawn at random, and all labels, out of fold.
STEERING_COLUMNS: dict[str, pa.DataType] = {
    f"{sample}_{what}": kind
    for sample in ("holdout", "explored", "labeled")
    for what, kind in (("value", pa.float64()), ("rows", pa.int64()))
}

KINDS = {
    kind.name: kind
    for kind in (
        Kind("items", {"id": ID, "image": pa.binary(), "path": STRING, "text": STRING}, ("id",)),
        Kind("features", {"id": ID, "features": MATRIX}, ("id", "features")),
        Kind(
            "labels",
            {
                "id": ID,
                "label": STRING,
                "source": STRING,
                "round": pa.int32(),
                "annotator": STRING,
                "suggested_label": STRING,
                "status": STRING,
                "labeled_at": TIMESTAMP,
                "seconds": pa.float32(),
            },
            ("id", "label"),
        ),
        Kind(
            "predictions",
            {
                "id": ID,
                "probabilities": MATRIX,
                "fold": pa.int16(),
                "predicted_loss": pa.float32(),
                "labeled_probability": pa.float32(),
                "mutual_information": pa.float32(),
                "decided": STRINGS,
            },
            ("id", "probabilities"),  # a loss ranker's have none
        ),
        Kind("losses", {"id": ID, "loss": pa.float64()}, ("id", "loss")),
        Kind("queries", QUERY_COLUMNS, ("id",)),
        Kind("picks", QUERY_COLUMNS | {"label": STRING, "truth": STRING, "run": STRING, "repeat": pa.int32()}, ("id",)),
        Kind(
            "targets",
            {"class": STRING, "metric": STRING, "target": pa.float64(), "at_precision": pa.float64(), "priority": pa.float64()},
            ("class", "metric", "target"),
        ),
        Kind("clusters", {"id": ID, "cluster": pa.int64()}, ("id", "cluster")),
        Kind("metrics", METRIC_COLUMNS | STEERING_COLUMNS | PROOF_COLUMNS | FORECAST_COLUMNS, ("class", "metric", "value")),
        # Metrics of simulated runs: `run` names what was tried and `repeat` numbers its draws; `total` counts the labels so far, `asked`
        # the questions so far, `seconds` the annotators' time so far (null: unknown), `pool` the class's rows in the whole pool;
        # `verified`, `corrected` and `scratch` the answers so far by what they took, the seed set's aside (it is free).
        Kind(
            "history",
            METRIC_COLUMNS
            | {"run": STRING, "repeat": pa.int32(), "total": pa.int64(), "asked": pa.int64(), "seconds": pa.float64(), "pool": pa.int64()}
            | {"verified": pa.int64(), "corrected": pa.int64(), "scratch": pa.int64()},
            ("class", "metric", "value", "run", "repeat", "round", "total"),
        ),
        # What each round of a simulated run took of the processor: to fit its model, to measure it (null: there is none), and to choose the
        # next rows (null: it is the last). A table of its own, as no two machines write the same numbers.
        Kind(
            "times",
            {"run": STRING, "repeat": pa.int32(), "round": pa.int32()}
            | {"fit_seconds": pa.float64(), "measure_seconds": pa.float64(), "choose_seconds": pa.float64()},
            ("run", "repeat", "round", "fit_seconds", "measure_seconds", "choose_seconds"),
        ),
        # What `report --history` found, one number a row: a `quantity` of a run in a `scope` (all, head, tail or class).
        Kind(
            "summary",
            {
                "run": STRING,
                "scope": STRING,
                "class": STRING,
                "metric": STRING,
                "quantity": STRING,
                "setting": STRING,  # where there are several (`compare --settings`); null: of all of them
                "tier": STRING,  # of suggestions, with the round; null: of all rounds, of rows without a tier
                "round": pa.int32(),
                "labels": pa.int64(),
                "level": pa.float64(),
                "baseline": STRING,
                "value": pa.float64(),
                "low": pa.float64(),
                "high": pa.float64(),
                "interval": STRING,
                "repeats": pa.int32(),
                "reached": pa.int32(),
            },
            ("run", "scope", "metric", "quantity", "value"),
        ),
        Kind("ids", {"id": ID}, ("id",)),
        Kind("confusion", {"class": STRING, "answer": STRING, "share": pa.float64()}, ("class", "answer", "share")),
        Kind(
            "problems",
            {"id": ID, "problem": STRING, "score": pa.float32(), "other_id": ID, "reason": STRING},
            ("id", "problem"),
        ),
        Kind("rejects", {"id": ID, "label": STRING, "annotator": STRING, "reason": STRING}, ("id", "reason")),
    )
}

# The columns that a small table of a kind always has where altool wrote it: CSV and JSON Lines carry no metadata.
ALWAYS = {
    "queries": ("id", "rank", "score", "strategy", "round", "source"),
    "predictions": ("id", "probabilities", "fold"),
    "metrics": tuple(KINDS["metrics"].columns),
    "summary": tuple(KINDS["summary"].columns),
}
# Optional columns that count only in tables that altool wrote, or where --columns names them: a column of somebody else that is called so
# is about something else (a `fold` is mostly a split), and nothing shows it. Queries in CSV are altool's by the columns they always have.
FOREIGN = {
    "predictions": ("fold", "predicted_loss", "labeled_probability", "mutual_information", "decided"),
    "queries": ("tier", "target_class", "phase", "candidate_labels", "reason", "not_annotators"),
}
# What altool's sheets call a column, so that people's answers are labels without an import. It goes before the contract's own name,
# which beside it is mostly an annotation tool's number.
ALIASES = {"labels": {"id": "altool_id"}}
SOURCES = ("seed", "explore", "exploit", "auto", "holdout")
STATUSES = ("labeled", "skipped")
RELABEL = "relabel"  # the `strategy` of queries that ask again about rows with a label
MODEL, CHANCE = "model", "chance"  # `suggested_by` of queries
RETRACTED = "retracted"  # of a row of the log that withdraws the auto labels of its id and round
# Of rows that correct what an annotator answered on an id, in the same round and at the same time, in an import before theirs:
WITHDRAWN = "withdrawn"  # there is no answer any more
RENAMED = "renamed"  # the same answer under another class name
ARRIVAL = "arrival"  # a column beside the log's: the number of the import that added a row, from 1; 0 where its file does not say it
METRICS = ("f1", "recall", "precision", "accuracy", "recall_at_precision", "specificity")
WIDE_PREFIX = "p:"
