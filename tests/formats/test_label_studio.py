"""Label Studio: the shapes of its exports (docs/formats.md, "Label Studio"), and the tasks that go out."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.errors import InputError
from altool.formats.label_studio import labeling_config
from altool.labels import registry
from altool.labels.exchange import Answers, Naming, Task
from altool.labels.opening import open_exports

PNG = b"\x89PNG\r\n\x1a\n\0"
AT = "2022-11-04T18:50:53.017134Z"


def read(tmp_path: Path, content: Any, naming: Naming = Naming({}), wanted: str = "auto") -> Answers:  # noqa: B008
    path = tmp_path / "export"
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
    (export,) = open_exports(str(path))
    return registry.read(export, wanted, naming)


def rows(found: Answers, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in found.table.to_pylist()]


def choice(*labels: Any, control: str = "label") -> dict[str, Any]:
    return {
        "id": "EmgEjJhhLj",
        "type": "choices",
        "origin": "manual",
        "from_name": control,
        "to_name": "text",
        "value": {"choices": list(labels)},
    }


def annotation(*results: dict[str, Any], by: Any = 1, **values: Any) -> dict[str, Any]:
    return {"id": 9, "completed_by": by, "was_cancelled": False, "lead_time": 10.744, "created_at": "2020-01-01T00:00:00Z",
            "updated_at": AT, "result": list(results), **values}  # fmt: skip


def task(id: Any, *annotations: dict[str, Any], **values: Any) -> dict[str, Any]:
    data = {"text": "…", "label": "payload", **({} if id is None else {"altool_id": id})}
    return {"id": 4, "data": data, "drafts": [], "predictions": [], "annotations": list(annotations), **values}


def test_the_full_export(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        [
            task("r1", annotation(choice("positive"), by={"id": 1, "email": "a@x.com"}), annotation(choice("negative"), by=2)),
            task("r2", annotation(choice("positive"), by={"id": 3}, was_cancelled=True, updated_at=None, lead_time=None)),
            task("r3"),
            task("r4", annotation(choice("a", "b"))),
            task("r5", annotation()),
        ],
    )
    assert rows(found, "id", "label", "annotator", "status", "reason") == [
        ("r1", "positive", "a@x.com", None, None),
        ("r1", "negative", "2", None, None),
        ("r2", None, "3", "skipped", None),
        ("r3", None, None, None, None),
        ("r4", '["a", "b"]', "1", None, "several classes"),
        ("r5", None, "1", None, None),
    ]
    assert [time and time.isoformat() for (time,) in rows(found, "labeled_at")[:3]] == [
        "2022-11-04T18:50:53.017134+00:00", "2022-11-04T18:50:53.017134+00:00", "2020-01-01T00:00:00+00:00"]  # fmt: skip
    assert rows(found, "seconds")[0] == pytest.approx((10.744,))
    assert found.id_type is None


def test_the_legacy_export(tmp_path: Path) -> None:
    old = {"id": 4, "data": {"altool_id": "r1", "altool_round": 0}, "completions": [
        {"id": 1, "result": [choice("cat")], "created_at": "2019-01-01T00:00:00Z"}, {"id": 2, "result": [], "skipped": True}]}  # fmt: skip
    assert rows(read(tmp_path, [old]), "label", "status", "round") == [("cat", None, 0), (None, "skipped", 0)]


def test_the_files_of_a_target_storage(tmp_path: Path) -> None:
    nested = {**annotation(choice("cat")), "task": {"id": 4, "data": {"altool_id": "r1"}}}
    assert rows(read(tmp_path, nested), "id", "label", "annotator") == [("r1", "cat", "1")]
    assert rows(read(tmp_path, json.dumps(nested, indent=1)), "id", "label") == [("r1", "cat")]


MIN = {
    "text": "…",
    "altool_id": "r1",
    "id": 4,
    "label": "cat",
    "annotator": 1,
    "annotation_id": 9,
    "created_at": AT,
    "updated_at": AT,
    "lead_time": 2.5,
}


def prediction(label: str, version: str | None = None, control: str = "label") -> dict[str, Any]:
    return {"id": 3, "model_version": version, "score": 0.6, "result": [choice(label, control=control)]}


def test_the_suggestion_stands_beside_the_answer(tmp_path: Path) -> None:
    """What we sent, else our prediction, else the only one, else what was accepted as it stood."""
    accepted = annotation({**choice("cat"), "origin": "prediction"})
    changed = annotation({**choice("dog"), "origin": "prediction-changed"})
    ours, other = prediction("cat", "altool-r7"), prediction("ox", "zoo-2")

    def sent(**data: Any) -> dict[str, Any]:
        return {"id": 4, "data": {"text": "…", "altool_id": "r", "altool_round": 7, **data}, "annotations": [changed]}

    cases = [
        ({**sent(altool_suggestion="bee"), "predictions": [other]}, "bee"),
        ({**sent(), "predictions": [other, ours]}, "cat"),
        ({**sent(), "predictions": [other]}, "ox"),
        ({**sent(), "predictions": [other, prediction("bee", "zoo-3")]}, None),
        ({**sent(), "predictions": [prediction("cat", "altool-r7", "another control")]}, None),
        ({**sent(), "predictions": [3, 4]}, None),  # their numbers alone
        ({**sent(), "annotations": [accepted]}, "cat"),
        ({**sent(), "predictions": [ours], "annotations": [annotation(was_cancelled=True), changed]}, "cat"),
        (sent(), None),
    ]
    for record, suggestion in cases:
        (*_, found) = rows(read(tmp_path, [record]), "suggested_label")
        assert found == (suggestion,), record
        nested = {**record["annotations"][-1], "task": record}
        assert rows(read(tmp_path, nested), "suggested_label") == [(suggestion,)]


def test_json_min(tmp_path: Path) -> None:
    several = {**MIN, "altool_id": "r2", "label": {"choices": ["a", "b"]}, "annotator": "a@x.com"}
    undone = {"text": "…", "altool_id": "r3", "id": 6, "label": "a data key of that name", "annotation_id": None}
    sent = {**MIN, "altool_id": "r4", "altool_suggestion": "dog"}
    assert rows(read(tmp_path, [MIN, sent]), "id", "suggested_label", "seconds") == [("r1", None, 2.5), ("r4", "dog", 2.5)]
    found = read(tmp_path, [MIN, several, undone])
    assert rows(found, "id", "label", "annotator", "reason") == [
        ("r1", "cat", "1", None),
        ("r2", '["a", "b"]', "a@x.com", "several classes"),
        ("r3", None, None, None),
    ]


def test_its_csv_export(tmp_path: Path) -> None:
    header = (
        '"agreement","altool_id","altool_round","annotation_id","annotator","created_at","id","label","lead_time","text","updated_at"\n'
    )
    content = header + (
        f'100.0,"r1",3,9,"a@x.com","{AT}",4,"cat",10.744,"a, b","{AT}"\n'
        f'100.0,"r2",3,10,1,"{AT}",5,"{{""choices"": [""a"", ""b""]}}",1,"c","{AT}"\n'
        '"","r3",3,"","","",6,"","","d",""\n'
    )
    assert rows(read(tmp_path, content), "id", "label", "annotator", "round", "reason") == [
        ("r1", "cat", "a@x.com", 3, None),
        ("r2", '["a", "b"]', "1", 3, "several classes"),
        ("r3", None, None, 3, None),
    ]


def test_its_own_id_is_never_trusted(tmp_path: Path) -> None:
    assert rows(read(tmp_path, [task(None, annotation(choice("cat")))]), "id") == [(None,)]
    with pytest.raises(InputError, match="'id' is Label Studio's own number"):
        read(tmp_path, [MIN], Naming({}, "id"))
    mine = task(None, annotation(choice("cat")))
    mine["data"]["id"] = "r7"  # in the full export a data key is not overwritten
    assert rows(read(tmp_path, [mine], Naming({}, "id")), "id") == [("r7",)]


def test_ids_may_be_integers_strings_or_both(tmp_path: Path) -> None:
    def ids(*values: Any) -> list[Any]:
        return read(tmp_path, [task(value, annotation(choice("cat"))) for value in values]).table["id"].to_pylist()

    assert ids(1, 2) == [1, 2]
    assert ids("01", "2") == ["01", "2"]
    assert ids(1, "2", 2**70) == ["1", "2", str(2**70)]
    with pytest.raises(InputError, match="of another type than string or integer"):
        ids(1.0)


def test_the_control_that_holds_the_label(tmp_path: Path) -> None:
    both = [task("r1", annotation(choice("bad", control="quality"), choice("cat", control="kind")))]
    with pytest.raises(InputError, match=r"no control 'label' \(it has kind, quality\)") as caught:
        read(tmp_path, both)
    assert "--columns label=NAME" in caught.value.hint
    assert rows(read(tmp_path, both, Naming({"label": "kind"})), "label") == [("cat",)]
    assert rows(read(tmp_path, [task("r1", annotation(choice("cat", control="kind")))]), "label") == [("cat",)]
    mixed = [task("r1", annotation(choice("bad", control="quality"), choice("cat")))]
    assert rows(read(tmp_path, mixed), "label") == [("cat",)]
    with pytest.raises(InputError, match=r"no control 'label' \(it has animal, text\)"):
        read(tmp_path, [{key.replace("label", "animal"): value for key, value in MIN.items()}])


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    box = {"type": "rectanglelabels", "from_name": "label", "value": {"x": 1, "rectanglelabels": ["cat"]}}
    with pytest.raises(InputError, match="it holds rectanglelabels but no choices"):
        read(tmp_path, [task("r1", annotation(box))])
    with pytest.raises(InputError, match="entry 2: expected a task of Label Studio like the first"):
        read(tmp_path, [task("r1"), {"text": "x"}])
    with pytest.raises(InputError, match="entry 2: expected a task of Label Studio like the first"):
        read(tmp_path, [task("r1"), MIN])
    with pytest.raises(InputError, match="task 4 holds no list of annotations"):
        read(tmp_path, [task("r1", annotations=[9])])


TASKS = [
    Task("r-1", 1, 7, text="Great <price>.\u2028", suggested_label='"good"', suggested_probability=0.62),
    Task("r-2", 2, 7, text="Hm."),
]


def test_the_tasks_are_what_the_format_says() -> None:
    files = registry.export("label-studio", TASKS, ['"good"', "<bad> & 'ugly'"])
    first, second = json.loads(files[""])
    assert first == {
        "data": {"text": "Great <price>.\u2028", "altool_id": "r-1", "altool_round": 7, "altool_rank": 1, "altool_suggestion": '"good"'},
        "predictions": [
            {
                "model_version": "altool-r7",
                "score": 0.62,
                "result": [{"id": "r-1", "from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ['"good"']}}],
            }
        ],
    }
    assert second == {"data": {"text": "Hm.", "altool_id": "r-2", "altool_round": 7, "altool_rank": 2}, "predictions": []}
    config = ElementTree.fromstring(files[".config.xml"].decode())
    assert [(part.tag, part.attrib) for part in config] == [
        ("Text", {"name": "text", "value": "$text"}),
        ("Choices", {"name": "label", "toName": "text", "choice": "single"}),
    ]
    assert [part.attrib["value"] for part in config[1]] == ['"good"', "<bad> & 'ugly'"]
    assert set(registry.export("label-studio", TASKS, [])) == {""}
    assert json.loads(registry.export("label-studio", [], ["a"])[""]) == []


@pytest.mark.parametrize(
    ("image", "mime"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0..JFIF", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"BM....", "image/bmp"),
        (b"II*\0....", "image/tiff"),
    ],
)
def test_images_travel_as_data_uris(image: bytes, mime: str) -> None:
    (found,) = json.loads(registry.export("label-studio", [Task(5, 1, 0, image=image, path="x.png", suggested_label="a")], ["a"])[""])
    head, content = found["data"]["image"].split(",")
    assert head == f"data:{mime};base64"
    assert base64.b64decode(content) == image
    assert found["data"]["altool_id"] == 5
    assert found["predictions"][0]["result"][0]["to_name"] == "image"
    assert "score" not in found["predictions"][0]


def test_paths_go_as_they_are() -> None:
    files = registry.export("label-studio", [Task("r", 1, 0, path="s3://bucket/é.png")], ["a"])
    assert json.loads(files[""])[0]["data"]["image"] == "s3://bucket/é.png"
    assert b'<Image name="image" value="$image"/>' in files[".config.xml"]


def test_what_it_cannot_show_is_refused() -> None:
    with pytest.raises(InputError, match=r"2 queries without text or image \(ids a, b"):
        registry.export("label-studio", [Task("a", 1, 0), Task("b", 2, 0)], ["x"])
    with pytest.raises(InputError, match=r"1 query with an image that is no PNG.*ids b"):
        registry.export("label-studio", [Task("a", 1, 0, image=PNG), Task("b", 2, 0, image=b"text")], ["x"])
    with pytest.raises(InputError, match="control character"):
        labeling_config(["a\0"], ["text"])


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    ids=st.lists(TEXT, min_size=1, max_size=5, unique=True)
    | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True, max_size=5)
)
def test_what_goes_out_comes_back(tmp_path_factory: pytest.TempPathFactory, ids: list[Any]) -> None:
    sent = [Task(key, rank, 3, text=f"t{key}", suggested_label="cat", suggested_probability=0.5) for rank, key in enumerate(ids, 1)]
    tasks = json.loads(registry.export("label-studio", sent, ["cat"])[""])
    results = [item["id"] for found in tasks for prediction in found["predictions"] for item in prediction["result"]]
    assert len(set(results)) == len(ids)
    answered = [
        {"id": number, **found, "annotations": [{"id": 100 + number, "completed_by": 1, "updated_at": AT, "result": [
            {**found["predictions"][0]["result"][0], "id": "x", "origin": "prediction"}]}]}
        for number, found in enumerate(tasks)
    ]  # fmt: skip
    found = read(tmp_path_factory.getbasetemp(), answered)
    assert rows(found, "id", "label", "round") == [(key, "cat", 3) for key in ids]
    assert all(label is None for (label,) in rows(read(tmp_path_factory.getbasetemp(), tasks), "label"))
