"""papers/data.py: the same tables from a Parquet file, from torchvision's files and from what the authors publish."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scripts
from PIL import Image
from scipy.io import savemat

PAPERS = Path(__file__).parents[1] / "papers"


data = scripts.load(PAPERS / "data.py")


def picture(value: int, side: int = 28, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(file, kind)
    return file.getvalue()


def made(name: str, folder: Path, *given: str) -> dict[str, pa.Table]:
    """What a call writes."""
    data.main([name, "-o", str(folder / "out"), *given])
    return {path.stem: pq.read_table(path) for path in sorted((folder / "out" / name).glob("*.parquet"))}


def test_images_of_a_parquet_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = ["train", "test", "validation", "train"]
    rows = {"id": list("abcd"), "image": [picture(51 * place) for place in range(4)], "label": list("xyxy"), "split": split}
    pq.write_table(pa.table(rows), tmp_path / "fashion_mnist_18k.parquet")
    found = made("fashion", tmp_path, "--from", str(tmp_path))
    assert found["rows"].to_pydict() == {"id": ["a", "b", "d"], "image": [rows["image"][place] for place in (0, 1, 3)]}
    assert found["truth"].to_pydict() == {"id": ["a", "d"], "label": ["x", "y"]}
    assert found["holdout"].to_pydict() == {"id": ["b"], "label": ["y"]}
    np.testing.assert_allclose(found["features"]["features"].to_pylist(), np.repeat([[0.0], [0.2], [0.6]], 196, axis=1), rtol=1e-6)
    assert "rows.parquet 3 rows" in capsys.readouterr().out
    before = (tmp_path / "out" / "fashion" / "features.parquet").read_bytes()
    made("fashion", tmp_path, "--from", str(tmp_path))
    assert (tmp_path / "out" / "fashion" / "features.parquet").read_bytes() == before


def test_vectors_of_a_parquet_file_in_many_chunks(tmp_path: Path) -> None:
    matrix = np.arange(2 * 4500, dtype=np.float16).reshape(4500, 2)
    ids = [str(place) for place in range(4500)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 2)
    rows = {"id": ids, "features": vectors, "label": ["x"] * 4500, "split": ["train"] * 4000 + ["test"] * 500}
    pq.write_table(pa.table(rows), tmp_path / "cifar100_features.parquet", row_group_size=1700)
    found = made("cifar100_features", tmp_path, "--from", str(tmp_path))
    assert sorted(found) == ["features", "holdout", "truth"]
    assert found["features"]["id"].to_pylist() == ids
    assert np.array_equal(np.array(found["features"]["features"].to_pylist(), np.float16), matrix)


@pytest.mark.slow
def test_pictures_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 as torchvision finds it on the disk, two pictures a file."""
    datasets = pytest.importorskip("torchvision.datasets")
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    own = tmp_path / "cifar-10-batches-py"
    own.mkdir()
    (own / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {place}" for place in range(10)]}))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3072), np.uint8)
    for place, name in enumerate([f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]):
        part = {"data": pixels[2 * place : 2 * place + 2], "labels": [place, 9 - place]}
        (own / name).write_bytes(pickle.dumps(part))
    found = made("cifar10", tmp_path, "--from", str(tmp_path))
    assert found["truth"]["label"].to_pylist() == [f"class {code}" for code in (0, 9, 1, 8, 2, 7, 3, 6, 4, 5)]
    assert found["holdout"].to_pydict() == {"id": ["test-00000", "test-00001"], "label": ["class 5", "class 4"]}
    for place, file in enumerate(found["rows"]["image"].to_pylist()):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))), pixels[place].reshape(3, 32, 32).transpose(1, 2, 0))


def test_as_many_of_each_class() -> None:
    codes = np.repeat([0, 1, 2], [50, 3, 20])
    drawn = data.balanced(codes, 10)
    assert np.bincount(codes[drawn]).tolist() == [10, 3, 10]
    assert (np.diff(drawn) > 0).all()


def test_pictures_in_folders(tmp_path: Path) -> None:
    names = [f"{bird}/{number}.jpg" for bird in ("001.Albatross", "002.Wren") for number in (1, 2)]
    own = tmp_path / "CUB_200_2011"
    for value, name in enumerate(names):
        (own / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (own / "images" / name).write_bytes(picture(value, kind="JPEG"))
    (own / "images.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(names, 1)))
    (own / "train_test_split.txt").write_text("1 1\n2 0\n3 1\n4 1\n")
    found = made("birds", tmp_path, "--from", str(own))
    assert found["truth"]["id"].to_pylist() == ["001.Albatross-1.jpg", "002.Wren-1.jpg", "002.Wren-2.jpg"]
    assert found["truth"]["label"].to_pylist() == ["001.Albatross", "002.Wren", "002.Wren"]
    assert found["rows"]["image"][3].as_py() == picture(3, kind="JPEG")
    scenes = tmp_path / "mit67"
    (scenes / "Images").parent.mkdir()
    (own / "images").rename(scenes / "Images")
    (scenes / "TrainImages.txt").write_text("\n".join(names[:3]))
    (scenes / "TestImages.txt").write_text(names[3] + "\n")
    assert made("mit67", tmp_path, "--from", str(scenes))["holdout"]["label"].to_pylist() == ["002.Wren"]
    (scenes / "Images").rename(tmp_path / "Images")
    lists = {"train": names[:3], "test": names[3:]}
    for part, own_names in lists.items():
        savemat(tmp_path / f"{part}_list.mat", {"file_list": np.array([[name] for name in own_names], object)})
    assert made("dogs", tmp_path, "--from", str(tmp_path))["truth"]["label"].to_pylist() == ["001.Albatross"] * 2 + ["002.Wren"]


@pytest.mark.slow
def test_pictures_in_torchvisions_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    for name in ("wren/1", "wren/2", "owl/1"):
        path = tmp_path / "food-101" / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(3, kind="JPEG"))
    monkeypatch.setattr(datasets, "Food101", lambda root, download: None)
    monkeypatch.setattr(datasets, "Caltech101", lambda root, download: None)
    monkeypatch.setattr(data, "CALTECH_TEST", 1)
    (tmp_path / "food-101" / "meta").mkdir()
    (tmp_path / "food-101" / "meta" / "train.txt").write_text("owl/1\nwren/1\n")
    (tmp_path / "food-101" / "meta" / "test.txt").write_text("wren/2\n")
    assert made("food101", tmp_path, "--from", str(tmp_path))["truth"].num_rows == 2
    (tmp_path / "caltech101").mkdir()
    (tmp_path / "food-101" / "images").rename(tmp_path / "caltech101" / "101_ObjectCategories")
    assert made("caltech101", tmp_path, "--from", str(tmp_path))["holdout"].num_rows == 1


def test_texts_of_their_authors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        rows = "".join(f"{number},phone {number},1,2,cluster,3,Phones\n" for number in range(10))
        heading = "Product ID,Product Title, Merchant ID, Cluster ID, Cluster Label, Category ID, Category Label"
        file.writestr("pricerunner_aggregate.csv", f"{heading}\n{rows}")
    scopes = dict.fromkeys(("train", "val", "test"), "greeting") | {"oos_train": "oos", "oos_test": "oos"}
    parts = {part: [[f"a {part}", label]] for part, label in scopes.items()}
    answers = {
        "banking_data/train.csv": b'text,category\n"Where, please?",card_arrival\n',
        "banking_data/test.csv": b"text,category\nWhen?,card_arrival\n",
        "ag_news_csv/train.csv": b'"3","Title","A text, long"\n',
        "ag_news_csv/test.csv": b'"1","Title","Another"\n',
        "data_full.json": json.dumps(parts).encode(),
        "clustering.zip": archive.getvalue(),
    }
    monkeypatch.setattr(data, "fetched", lambda address: next(body for end, body in answers.items() if address.endswith(end)))
    found = made("banking77", tmp_path)
    assert found["rows"].to_pydict() == {"id": ["train-00000", "test-00000"], "text": ["Where, please?", "When?"]}
    assert found["truth"]["label"].to_pylist() == ["card_arrival"]
    found = made("ag_news", tmp_path)
    assert found["rows"]["text"].to_pylist() == ["Title . A text, long", "Title . Another"]
    assert found["truth"]["label"].to_pylist() + found["holdout"]["label"].to_pylist() == ["Business", "World"]
    found = made("clinc150", tmp_path)
    assert found["truth"].to_pydict() == {"id": ["train-00000", "oos_train-00000"], "label": ["greeting", "oos"]}
    found = made("pricerunner", tmp_path)
    assert (found["truth"].num_rows, found["holdout"].num_rows) == (8, 2)
    assert found["rows"]["text"][3].as_py() == "phone 3"


@pytest.mark.parametrize("name", ["cifar100_features", "dogs"])
def test_what_cannot_be_had(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="give --from, a folder that holds it"):
        made(name, tmp_path)
