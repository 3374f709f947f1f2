"""The identity of a vector space, as tables say it, and where its fit lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.console import Console
from altool.errors import InputError
from altool.tables import space
from altool.tables.read import Reader, Source

PIXELS = space.made({"backbone": "pixels", "image_size": 8}, "test")
OTHER = space.made({"backbone": "pixels", "image_size": 9}, "test")


def put(path: Path, metadata: Mapping[str, str] | None) -> Path:
    path.parent.mkdir(exist_ok=True)
    table = pa.table({"id": [path.stem], "features": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))})
    pq.write_table(table.replace_schema_metadata(dict(metadata or {})), path)
    return path


def opened(path: Path) -> Source:
    return Reader().open(str(path), "features")


FACTS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4) | st.booleans() | st.none(), max_size=5)


@given(FACTS, FACTS)
def test_a_digest_is_of_the_facts_and_nothing_else(one: dict[str, Any], other: dict[str, Any]) -> None:
    made = space.made(one, "here")
    text = json.dumps(one, sort_keys=True, separators=(",", ":"))
    assert made.metadata == {"altool.space": "sha256:" + hashlib.sha256(text.encode()).hexdigest(), "altool.space_facts": text}
    assert made.facts == one
    assert space.made(dict(reversed(one.items())), "there").digest == made.digest
    assert (space.made(other, "here").digest == made.digest) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_files_of_one_space_are_one_table(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / "f" / f"{name}.parquet", PIXELS.metadata)
    found = space.of(opened(tmp_path / "f"))
    assert found is not None
    assert (found.digest, found.facts) == (PIXELS.digest, PIXELS.facts)
    assert space.of(opened(put(tmp_path / "foreign.parquet", None))) is None


def test_files_of_two_spaces_are_refused(tmp_path: Path) -> None:
    files = [put(tmp_path / "f" / f"{name}.parquet", made.metadata) for name, made in (("a", PIXELS), ("b", OTHER), ("c", OTHER))]
    with pytest.raises(InputError) as caught:
        opened(tmp_path / "f")
    assert caught.value.message == (
        f"features {tmp_path / 'f'}: 2 of its 3 files are of another vector space, and vectors of two cannot be compared: {files[0]} is of "
        f"{PIXELS.digest[:19]}… (pixels), {files[1]} of {OTHER.digest[:19]}… (pixels)"
    )
    assert caught.value.hint == (
        f"embed their items again, in one space: altool embed --items … --like {files[0]} -o {files[1]} --overwrite"
    )


def test_files_that_say_nothing_among_others_are_counted(tmp_path: Path) -> None:
    for name, metadata in (("a", None), ("b", PIXELS.metadata), ("c", None)):
        put(tmp_path / "f" / f"{name}.parquet", metadata)
    console = Console(silent=True)
    found = space.told(opened(tmp_path / "f"), console)
    assert found is not None
    assert found.digest == PIXELS.digest
    assert console.warnings == [
        f"features {tmp_path / 'f'}: 2 of its 3 files without a vector space (such as {tmp_path / 'f' / 'a.parquet'}); "
        f"it is taken to be that of {tmp_path / 'f' / 'b.parquet'}"
    ]


@pytest.mark.parametrize("digest", ["", "x", "sha256:12", PIXELS.digest.upper(), PIXELS.digest + "\x1b[2J", "[1]"])
def test_what_is_no_digest_is_refused(tmp_path: Path, digest: str) -> None:
    with pytest.raises(InputError, match=r"altool\.space is not a SHA-256 digest") as caught:
        opened(put(tmp_path / "f.parquet", {**PIXELS.metadata, "altool.space": digest}))
    assert "\x1b" not in caught.value.message
    with pytest.raises(InputError, match=r"model m: altool\.space is no"):
        space.of_model({"space": digest or 7, "space_facts": PIXELS.facts}, "m")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "{}", OTHER.text, "\ufeff" + PIXELS.text])
def test_facts_that_are_not_those_of_the_digest(tmp_path: Path, text: str) -> None:
    found = space.of(opened(put(tmp_path / "f.parquet", {**PIXELS.metadata, "altool.space_facts": text})))
    assert found is not None
    with pytest.raises(InputError, match=r"altool\.space_facts is not what altool\.space is the digest of"):
        _ = found.facts
    assert str(found) == PIXELS.digest[:19] + "…"


def test_a_model_says_the_space_of_its_features() -> None:
    found = space.of_model({"space": PIXELS.digest, "space_facts": PIXELS.facts}, "m")
    assert found is not None
    assert found.facts == PIXELS.facts
    assert space.of_model({"classifier": "logistic"}, "m") is None


def test_a_fit_is_found_by_its_digest(tmp_path: Path) -> None:
    learned = b"what was learned"
    facts = {"backbone": "hashing", "fit": "sha256:" + hashlib.sha256(learned).hexdigest()[:32]}
    made = space.made(facts, "f.parquet")
    table = put(tmp_path / "f" / "f.parquet", made.metadata)
    for place, given_ in (("f.space.safetensors", [table]), ("_space.safetensors", [table]), ("space.safetensors", [tmp_path / "f"])):
        with pytest.raises(InputError, match=r"the fit of its vector space .* is not there"):
            space.fit(made, [str(path) for path in given_])
        (tmp_path / "f" / place).write_bytes(b"another")
        with pytest.raises(InputError, match=rf"{place} is not the fit of its vector space"):
            space.fit(made, [str(path) for path in given_])
        (tmp_path / "f" / place).write_bytes(learned)
        assert space.fit(made, [str(path) for path in given_]) == tmp_path / "f" / place
        (tmp_path / "f" / place).unlink()
    assert space.fit(PIXELS, [str(table)]) is None
    (tmp_path / "f" / "f.space.safetensors").write_bytes(learned)
    (tmp_path / "f" / "f.rejects.parquet").write_bytes(b"PAR1")
    assert [Path(fragment.path).name for fragment in opened(tmp_path / "f").fragments] == ["f.parquet"]  # what lies beside is no row
