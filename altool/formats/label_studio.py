"""Label Studio: its JSON, JSON_MIN and CSV exports, the files of its S3 target storage, and the tasks that it imports.

Label Studio's own `id` says nothing about ours, and in JSON_MIN it replaces a data key of that name: rows are known by `altool_id`.
Sources: the converter's `convert_to_json_min` and `exports/csv2.py`; guide/predictions for what is imported.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from altool.errors import InputError
from altool.labels import pictures
from altool.labels.exchange import REVIEWED, Answers, Export, Format, Naming, Task, answers, choice, json_ids, json_text, texts
from altool.tables import check

CONFIG = ".config.xml"
CONTROL = "label"  # the <Choices> of the labeling config that altool writes
MINIMAL = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history", "reviews"}
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # no XML 1.0

PART = 1 << 16  # rows that are made at once
SHOWN = (("rank", "rank", "altool_rank"), ("text", "text", "text"), ("picture", "path", "image"))  # what of it, its column, its usual key

Row = dict[str, Any]


def recognizes(export: Export) -> bool:
    if export.table is not None:
        return {"annotation_id", "annotator"} <= set(export.columns)
    return bool(export.records) and _shape(export.records[0]) is not None


def _shape(record: Mapping[str, Any]) -> str | None:
    if isinstance(record.get("data"), dict):
        return "task"
    if isinstance(record.get("task"), dict) and "result" in record:
        return "annotation"  # one file of an S3 target storage
    return "minimal" if "annotation_id" in record else None


def read(export: Export, naming: Naming) -> Answers:
    """A row per annotation. Skipped ones (`was_cancelled`) have that status; a task without an annotation is not done yet.

    Raises InputError for records of another shape, and where several controls may hold the label.
    """
    records = export.records if export.table is None else export.table.to_pylist()
    shape = _shape(records[0])
    other = next((number for number, record in enumerate(records, 1) if shape is None or _shape(record) != shape), None)
    if other:
        raise InputError(
            f"{export.name}, entry {other:,}: expected a task of Label Studio like the first", "export the project again as JSON"
        )
    keys = {name: naming.columns.get(column) or default for name, column, default in SHOWN}
    rows = (row | _extras(row.pop("data"), keys) for row in (_minimal if shape == "minimal" else _full)(export.name, records, naming))
    own_key = naming.columns.get("id")
    ids: list[Any] = []
    entries: list[int] = []
    parts: dict[str, list[pa.Array]] = {name: [] for name in naming.kept()}
    used = {"label", *(name for name, column in naming.columns.items() if column == "" or name in ("text", "path", "rank"))}
    while part := list(islice(rows, PART)):  # of a large export not all at once
        ids += [row["id"] for row in part]
        entries += [row["entry"] for row in part]
        used |= {"id"} if any(row["key"] == own_key for row in part) else set()
        for name, arrays in parts.items():
            arrays.append(pa.array([json_text(row.get(name)) for row in part], pa.string()))
    columns = {name: pa.chunked_array(arrays, pa.string()) for name, arrays in parts.items()}
    return answers(export.name, {"id": json_ids(export.name, ids)[0], **columns, "entry": entries}, None, used, naming.meaning.clock)


def _extras(data: Mapping[str, Any], keys: Mapping[str, str]) -> Row:
    """What a task's data say besides of which item it is. The path is left out: Label Studio gives uploaded files its own."""
    image = texts(data.get(keys["picture"]))
    picture = image if image is not None and not image.startswith("data:") else None
    return {"rank": data.get(keys["rank"]), "text": texts(data.get(keys["text"])), "picture": picture}


def _key(data: Mapping[str, Any], naming: Naming) -> Row:
    """What a task's data say: our id (and under which key), our round, what we suggested."""
    other = naming.columns.get("id", "altool_id")
    key = naming.id_column or (other if other in data else "altool_id")
    return {
        "data": data,
        "id": data.get(key),
        "key": key,
        "round": data.get("altool_round"),
        "suggested_label": data.get("altool_suggestion") or None,
    }


def _who(value: Any) -> Any:
    """The annotator out of `completed_by`: a number, or an object with an address."""
    value = (value.get("email") or value.get("id")) if isinstance(value, dict) else value
    return value if isinstance(value, str | int) else None


def _full(name: str, records: Sequence[Mapping[str, Any]], naming: Naming) -> Iterator[Row]:
    control = _control(name, (annotation for _, _, annotation in _pairs(name, records) if annotation), naming)
    for entry, task, annotation in _pairs(name, records):
        row = _key(task["data"], naming) | {"entry": entry}
        if annotation:
            row["suggested_label"] = row["suggested_label"] or _suggested(task, annotation, control)
            row["annotator"] = _who(annotation.get("completed_by"))
            row["labeled_at"] = annotation.get("updated_at") or annotation.get("created_at")
            row["seconds"] = annotation.get("lead_time")
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                row["status"] = "skipped"
            else:
                row["label"], row["reason"] = choice(
                    [one for item in _choices(annotation) if item.get("from_name") == control for one in item["value"]["choices"]]
                )
            row["reason"] = REVIEWED if annotation.get("rejected") else row.get("reason")
        yield row


def _pairs(name: str, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """(entry, task, annotation) of all annotations, each as the last review left it."""
    for entry, record in enumerate(records):
        for task, annotation in _annotations(name, record):
            yield entry, task, {**annotation, **_decision(annotation)}


def _decision(annotation: Mapping[str, Any]) -> Row:
    """What the last review says of an annotation: that it is rejected, or the `result` by which it was mended."""
    reviews = annotation.get("reviews") or []
    reviews = [review for review in reviews if isinstance(review, dict)] if isinstance(reviews, list) else []
    if not reviews:
        return {"rejected": annotation.get("last_action") == "rejected"} if annotation else {}
    last = sorted(reviews, key=lambda review: str(review.get("created_at") or ""))[-1]
    if isinstance(last.get("result"), list) and last["result"]:
        return {"rejected": False, "result": last["result"]}
    return {"rejected": last.get("accepted") is False}


def _annotations(name: str, record: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(task, annotation) of each annotation of a task; one pair with an empty annotation where there is none."""
    if _shape(record) == "annotation":
        return [({**record["task"], "data": record["task"].get("data") or {}}, record)]
    found = record.get("annotations", record.get("completions")) or []
    if not isinstance(found, list) or not all(isinstance(annotation, dict) for annotation in found):
        raise InputError(f"{name}: task {record.get('id')} holds no list of annotations", "export the project as JSON, not its list of ids")
    return [(record, annotation) for annotation in found or [{}]]


def _suggested(task: Mapping[str, Any], annotation: Mapping[str, Any], control: str | None) -> Any:
    """The choice that the annotator found there: of altool's prediction, else of the only one, else what was accepted as it stood.

    Of several predictions by other models nobody knows which was shown, unless it was accepted (`origin`).
    """
    found = task.get("predictions") or []
    found = [prediction for prediction in found if isinstance(prediction, dict)] if isinstance(found, list) else []
    ours = [prediction for prediction in found if prediction.get("model_version") == f"altool-r{task['data'].get('altool_round')}"]
    shown = (ours or found) if len(ours or found) == 1 else []
    accepted = {"result": [item for item in _result(annotation) if item.get("origin") == "prediction"]}
    choices = [item["value"]["choices"] for one in (*shown, accepted) for item in _choices(one) if item.get("from_name") == control]
    return next((chosen[0] for chosen in choices if len(chosen) == 1 and isinstance(chosen[0], str)), None)


def _result(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = annotation.get("result") or []
    return [item for item in result if isinstance(item, dict)] if isinstance(result, list) else []


def _choices(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for item in _result(annotation) if isinstance(item.get("value"), dict) and isinstance(item["value"].get("choices"), list)]


def _control(name: str, annotations: Iterable[Mapping[str, Any]], naming: Naming) -> str | None:
    """The control that holds the label: the one asked for, `label`, or the only one. Raises InputError where it is not clear."""
    found: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for annotation in annotations:
        found.update(str(item.get("from_name")) for item in _choices(annotation))
        others.update(str(item.get("type")) for item in _result(annotation))
    wanted = naming.columns.get("label", CONTROL)
    if wanted in found or not others:
        return wanted
    if not found:
        raise InputError(f"{name}: it holds {', '.join(sorted(others))} but no choices", "altool takes one choice per task")
    if len(found) > 1 or "label" in naming.columns:
        raise InputError(f"{name}: no control {wanted!r} (it has {', '.join(sorted(found))})", "name the label's: --columns label=NAME")
    return next(iter(found))


def _minimal(name: str, records: Sequence[Mapping[str, Any]], naming: Naming) -> Iterator[Row]:
    """JSON_MIN and CSV: a record per annotation that is not cancelled. A record without `annotation_id` is a task that is not done."""
    if "id" in (naming.id_column, naming.columns.get("id")):
        raise InputError(f"{name}: 'id' is Label Studio's own number here", "export as JSON, or name the key that holds your id")
    control = naming.columns.get("label", CONTROL)
    done = (record for record in records if record.get("annotation_id") is not None)
    keys: dict[str, None] = {}
    for record in done:
        if control in record:
            break
        keys |= dict.fromkeys(key for key in record if key not in MINIMAL and not key.startswith("altool_"))
    else:
        if any(record.get("annotation_id") is not None for record in records):
            text = f"{name}: no control {control!r} (it has {check.naming_columns(sorted(keys))})"
            raise InputError(text, "name the label's: --columns label=NAME")
    for entry, record in enumerate(records):
        row = _key(record, naming) | {"entry": entry}
        if record.get("annotation_id") is not None:
            row["annotator"] = _who(record.get("annotator"))
            row["labeled_at"] = record.get("updated_at") or record.get("created_at")
            row["seconds"] = record.get("lead_time")
            row["label"], row["reason"] = choice(record.get(control))
            row["reason"] = REVIEWED if _decision(record)["rejected"] else row["reason"]
        yield row


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """The tasks as a JSON array in rank order, suggestions as predictions; `.config.xml` is the labeling config, where classes are known.

    Encoded images travel as data URIs, paths as they are or as addresses. Raises InputError for tasks without text and image, and for bytes
    that are no image.
    """
    pictures.check("label-studio", tasks)
    shown = [name for name in ("text", "image") if any(_data(task, name) is not None for task in tasks)]
    lines = [json.dumps(_task(task, shown), ensure_ascii=False) for task in tasks]
    files = {"": ("[" + ",".join("\n" + line for line in lines) + "\n]\n").encode()}
    if classes and shown:
        files[CONFIG] = labeling_config(classes, shown).encode()
    return files


def labeling_config(classes: Sequence[str], shown: Sequence[str]) -> str:
    """The labeling config in XML for tasks that show `text`, `image` or both. Raises InputError for a class name that XML cannot hold."""
    if wrong := [name for name in classes if UNWRITABLE.search(name)]:
        raise InputError(f"label-studio: the class {wrong[0]!r} holds a control character", "rename it")
    tags = {"text": '<Text name="text" value="$text"/>', "image": '<Image name="image" value="$image"/>'}
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in classes)
    objects = "".join(tags[name] for name in shown)
    return f'<View>{objects}<Choices name="{CONTROL}" toName="{shown[0]}" choice="single">{choices}</Choices></View>\n'


def _task(task: Task, shown: Sequence[str]) -> Row:
    data = {name: value for name in shown if (value := _data(task, name)) is not None}
    data |= task.asked
    # The prediction is what annotators see; JSON_MIN and CSV exports lose it, but keep the data.
    data |= {} if task.suggested_label is None else {"altool_suggestion": task.suggested_label}
    predictions = []
    if task.suggested_label is not None:
        value = {"choices": [task.suggested_label]}
        result = {"id": str(task.id), "from_name": CONTROL, "to_name": shown[0], "type": "choices", "value": value}
        prediction: Row = {"model_version": f"altool-r{task.round}"}
        if task.suggested_probability is not None:
            prediction["score"] = task.score
        predictions.append({**prediction, "result": [result]})
    return {"data": data, "predictions": predictions}


def _data(task: Task, name: str) -> Any:
    return task.text if name == "text" else pictures.shown(task)


FORMAT = Format(
    "label-studio",
    recognizes,
    read,
    write,
    reads="JSON, JSON_MIN and CSV exports; files of its S3 target storage",
    writes="tasks as JSON, suggestions as predictions; .config.xml",
    sidecars=(CONFIG,),
    ending=".json",
    by_address=True,
)
