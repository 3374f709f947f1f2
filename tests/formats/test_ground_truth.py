"""SageMaker Ground Truth: what a verification job says of labels, and the manifest that goes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports import imported, said

from altool.errors import InputError
from altool.labels import registry
from altool.labels.exchange import Task


def line(id_: str, verdict: int) -> dict[str, Any]:
    base = {"human-annotated": "yes", "creation-date": "2020-10-18T22:18:13"}
    facts = {**base, "class-name": "positive", "type": "groundtruth/text-classification"}
    check = {**base, "class-name": ("good", "bad")[verdict], "type": "groundtruth/label-verification"}
    return {"source": "t", "altool_id": id_, "mood": 0, "mood-metadata": facts, "check": verdict, "check-metadata": check}


def test_labels_that_others_verified_count_by_their_verdict(folder: Path) -> None:
    (folder / "e").write_text("".join(json.dumps(record) + "\n" for record in (line("r-1", 0), line("r-2", 1))))
    with pytest.raises(InputError, match=r"verified, in 'check' \(bad, good\)") as error:
        imported(folder, "e")
    assert error.value.hint == "say which count: --where check=NUMBER"
    assert (imported(folder, "e", where=["check=0"])["left_out"], set(said(folder))) == (1, {"r-1"})


def test_verifications_alone_are_no_labels(folder: Path) -> None:
    record = {name: value for name, value in line("r-1", 0).items() if not name.startswith("mood")}
    (folder / "e").write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match="verifications alone"):
        imported(folder, "e", where=["check=0"])


def test_what_goes_out() -> None:
    tasks = [Task("r-1", 1, 2, text="größe", suggested_label="positive"), Task("r-2", 2, 2, path="a.jpg", address="s3://b/a.jpg")]
    first, second = map(json.loads, registry.export("ground-truth", tasks, [])[""].splitlines())
    assert first == {"source": "größe", "altool_id": "r-1", "altool_round": 2, "altool_rank": 1, "altool_suggestion": "positive"}
    assert second == {"source-ref": "s3://b/a.jpg", "altool_id": "r-2", "altool_round": 2, "altool_rank": 2}
    with pytest.raises(InputError, match="1 image without an address"):
        registry.export("ground-truth", [Task("r-1", 1, 0, image=b"GIF89a")], [])
