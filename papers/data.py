"""The data of the papers' plans: `python papers/data.py NAME` writes the tables that they read into papers/data/NAME.

    python papers/data.py fashion --from FOLDER

Every data set becomes rows.parquet (id, and image or text) or features.parquet (id, features), truth.parquet (id, label: the pool) and
holdout.parquet (id, label: the test rows). Images are files' bytes as they are, or lossless PNGs. `fashion` has both: its features are the
pixels at 14 x 14, in 0 to 1; of torchvision's images it takes 1,500 training and 300 test images of each class.

The data come from torchvision's download or the authors' address, or from `--from FOLDER`: one with NAME.parquet (id, label, split, and
image, text or features) or with the files as their authors pack them. birds (CUB-200-2011), dogs (Stanford Dogs) and mit67 (MIT Indoor 67)
can be had from such a folder alone, and cifar100_features from a Parquet file alone: for other features run `altool embed` on rows.parquet.
The same data give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CHUNK = 2_000  # rows written together: pictures of 300 x 200 pixels take 40 MB
ADDRESSES = {
    "banking77": "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/master/banking_data/{part}.csv",
    "clinc150": "https://raw.githubusercontent.com/clinc/oos-eval/master/data/data_full.json",
    "ag_news": "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/{part}.csv",
    "pricerunner": "https://archive.ics.uci.edu/static/public/837/product+classification+and+clustering.zip",
}
AG_NEWS = ("World", "Sports", "Business", "Sci/Tech")
FASHION = (1_500, 300)  # training and test images of each class
CALTECH_TEST = 1_019  # of TA-VAAL, 4.3


class Row(NamedTuple):
    """A row of a data set; `value` is the bytes of a picture, a text, or a vector."""

    id: str
    label: str
    held: bool
    value: Any


# From a Parquet file


def from_parquet(path: Path) -> Iterator[Row]:
    """The rows of id, label, split (train, test; others are left out) and image, text or features."""
    with pq.ParquetFile(path) as file:
        column = next(name for name in ("image", "text", "features") if name in file.schema_arrow.names)
        for batch in file.iter_batches(CHUNK, columns=["id", "label", "split", column]):
            values = batch[column]
            vectors = np.asarray(values.flatten()).reshape(len(values), -1) if column == "features" else values.to_pylist()
            for id_, label, split, value in zip(*(batch[name].to_pylist() for name in ("id", "label", "split")), vectors, strict=True):
                if split in ("train", "test"):
                    yield Row(id_, label, split == "test", value)


# From torchvision, and from folders as their authors pack them


def png(pixels: Any) -> bytes:
    """A picture of an array, grey or in colour, as a PNG."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(file, "PNG")
    return file.getvalue()


def of_torchvision(name: str, folder: Path) -> Iterator[Row]:
    """CIFAR-10, CIFAR-100, SVHN and Fashion-MNIST, whose pictures torchvision holds as arrays; downloaded to `folder` if need be."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100, "fashion": datasets.FashionMNIST, "svhn": datasets.SVHN}[name]
    for held in (False, True):
        how = {"split": "test" if held else "train"} if name == "svhn" else {"train": not held}
        data = kind(folder, download=True, **how)
        codes = np.asarray(data.labels if name == "svhn" else data.targets)
        classes = [str(digit) for digit in range(10)] if name == "svhn" else data.classes
        pictures = data.data.transpose(0, 2, 3, 1) if name == "svhn" else data.data
        for place in balanced(codes, FASHION[held]) if name == "fashion" else range(len(codes)):
            yield Row(f"{'test' if held else 'train'}-{place:05d}", classes[codes[place]], held, png(pictures[place]))


def balanced(codes: np.ndarray, of_each: int) -> np.ndarray:
    """Positions of as many rows of each class, drawn at random and in their order; all of a class that has fewer."""
    draw = np.random.default_rng(0)
    drawn = [draw.permutation(np.flatnonzero(codes == code))[:of_each] for code in np.unique(codes)]
    return np.sort(np.concatenate(drawn))


def of_files(folder: Path, listed: Iterable[tuple[str, bool]]) -> Iterator[Row]:
    """Pictures `listed` by their paths below `folder`, whose folder is their class; is each a test row?"""
    for path, held in listed:
        label = Path(path).parent.name
        yield Row(path.replace("/", "-"), label, held, (folder / path).read_bytes())


def food101(folder: Path) -> Iterator[Row]:
    from torchvision import datasets

    datasets.Food101(str(folder), download=True)
    own = folder / "food-101"
    listed = [(part, (own / "meta" / f"{part}.txt").read_text().split()) for part in ("train", "test")]
    return of_files(own / "images", [(f"{name}.jpg", part == "test") for part, names in listed for name in names])


def caltech101(folder: Path) -> Iterator[Row]:
    """Without a split of its own: 1,019 test images are drawn."""
    from torchvision import datasets

    datasets.Caltech101(str(folder), download=True)
    own = folder / "caltech101" / "101_ObjectCategories"
    names = sorted(path.relative_to(own).as_posix() for path in own.glob("*/*.jpg"))
    held = set(np.random.default_rng(0).permutation(len(names))[:CALTECH_TEST].tolist())
    return of_files(own, [(name, place in held) for place, name in enumerate(names)])


def birds(folder: Path) -> Iterator[Row]:
    names, parts = (dict(line.split() for line in (folder / f"{of}.txt").open()) for of in ("images", "train_test_split"))
    return of_files(folder / "images", [(name, parts[number] == "0") for number, name in names.items()])


def dogs(folder: Path) -> Iterator[Row]:
    from scipy.io import loadmat

    lists = {held: loadmat(folder / f"{'test' if held else 'train'}_list.mat")["file_list"] for held in (False, True)}
    return of_files(folder / "Images", [(str(name[0][0]), held) for held, names in lists.items() for name in names])


def mit67(folder: Path) -> Iterator[Row]:
    lists = {held: (folder / f"{'Test' if held else 'Train'}Images.txt").read_text().split("\n") for held in (False, True)}
    return of_files(folder / "Images", [(name.strip(), held) for held, names in lists.items() for name in names if name.strip()])


# Texts from their authors' addresses


def fetched(address: str) -> bytes:
    with urlopen(address, timeout=60) as answer:
        return answer.read()


def of_tables(name: str) -> Iterator[Row]:
    """Texts of CSV files, one for the training and one for the test rows."""
    for part in ("train", "test"):
        lines = csv.reader(io.StringIO(fetched(ADDRESSES[name].format(part=part)).decode()))
        if name == "banking77":
            next(lines)  # text, category
        for place, (first, *rest) in enumerate(lines):
            label, text = (AG_NEWS[int(first) - 1], " . ".join(rest)) if name == "ag_news" else (rest[0], first)
            yield Row(f"{part}-{place:05d}", label, part == "test", text)


def clinc150() -> Iterator[Row]:
    """In scope and out of it; the validation rows are left out."""
    parts = json.loads(fetched(ADDRESSES["clinc150"]))
    for part in ("train", "oos_train", "test", "oos_test"):
        for place, (text, label) in enumerate(parts[part]):
            yield Row(f"{part}-{place:05d}", label, part.endswith("test"), text)


def pricerunner() -> Iterator[Row]:
    """Without a split of its own: a fifth is drawn as test rows."""
    with zipfile.ZipFile(io.BytesIO(fetched(ADDRESSES["pricerunner"]))) as archive:
        lines = archive.read("pricerunner_aggregate.csv").decode().splitlines()
    rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(lines)]
    held = set(np.random.default_rng(0).permutation(len(rows))[: len(rows) // 5].tolist())
    for place, row in enumerate(rows):
        yield Row(row["Product ID"], row["Category Label"], place in held, row["Product Title"])


TORCHVISION = ("fashion", "cifar10", "cifar100", "svhn")
OF_FOLDERS: dict[str, Callable[[Path], Iterator[Row]]] = {"food101": food101, "caltech101": caltech101}
UNPACKED: dict[str, Callable[[Path], Iterator[Row]]] = {"birds": birds, "dogs": dogs, "mit67": mit67}  # which nothing here downloads
FILES = {"fashion": "fashion_mnist_18k"}  # what a data set's Parquet file is called, if not after it
NAMES = (*TORCHVISION, *OF_FOLDERS, *UNPACKED, *ADDRESSES, "cifar100_features")


def read(name: str, given: Path | None, output: Path) -> Iterator[Row]:
    """The rows of a data set. Raises SystemExit where it cannot be had."""
    if given and (file := given / f"{FILES.get(name, name)}.parquet").exists():
        return from_parquet(file)
    if name in TORCHVISION:
        return of_torchvision(name, given or output / "downloads")
    if name in OF_FOLDERS:
        return OF_FOLDERS[name](given or output / "downloads")
    if name in UNPACKED and given:
        return UNPACKED[name](given)
    if name in UNPACKED or name == "cifar100_features":
        raise SystemExit(f"{name}: give --from, a folder that holds it (python papers/data.py --help)")
    return {"clinc150": clinc150, "pricerunner": pricerunner}.get(name, lambda: of_tables(name))()


def pixels(picture: bytes) -> np.ndarray:
    """float32: the means of 2 x 2 pixels of a picture of 28 x 28, in 0 to 1."""
    grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), np.float32)
    return grey.reshape(14, 2, 14, 2).mean(axis=(1, 3)).ravel() / 255


def table(kind: str, rows: Sequence[Row]) -> pa.Table:
    """The rows' ids, and what the table of that kind holds of each."""
    ids = {"id": pa.array([row.id for row in rows], pa.string())}
    if kind == "rows":
        column = "text" if isinstance(rows[0].value, str) else "image"
        return pa.table(ids | {column: [row.value for row in rows]})
    if kind == "features":
        vectors = np.array([pixels(row.value) if isinstance(row.value, bytes) else row.value for row in rows])
        return pa.table(ids | {"features": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])})
    return pa.table(ids | {"label": pa.array([row.label for row in rows], pa.string())})


def write(name: str, rows: Iterable[Row], folder: Path) -> dict[str, int]:
    """Write the tables of a data set; {table: how many rows}."""
    kinds = {"rows", "features"} if name == "fashion" else {"features"} if name == "cifar100_features" else {"rows"}
    folder.mkdir(parents=True, exist_ok=True)
    writers: dict[str, pq.ParquetWriter] = {}
    counts: dict[str, int] = {}
    waiting: list[Row] = []

    def flush() -> None:
        for kind in sorted({*kinds, "truth", "holdout"}):
            own = [row for row in waiting if kind in kinds or row.held == (kind == "holdout")]
            if own:
                part = table(kind, own)
                if kind not in writers:
                    writers[kind] = pq.ParquetWriter(folder / f"{kind}.parquet", part.schema)
                writers[kind].write_table(part)
                counts[kind] = counts.get(kind, 0) + len(own)
        waiting.clear()

    try:
        for row in rows:
            waiting.append(row)
            if len(waiting) == CHUNK:
                flush()
        flush()
    finally:
        for writer in writers.values():
            writer.close()
    return counts


def main(arguments: Sequence[str] | None = None) -> None:
    text, _, about = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=text, epilog=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(NAMES), metavar="NAME", help=", ".join(sorted(NAMES)))
    parser.add_argument("--from", dest="given", type=Path, metavar="FOLDER", help="the data, as Parquet or as packed by their authors")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "data", metavar="FOLDER", help="default: papers/data")
    told = parser.parse_args(arguments)
    counts = write(told.name, read(told.name, told.given, told.output), told.output / told.name)
    print(f"{told.output / told.name}: " + ", ".join(f"{kind}.parquet {number:,} rows" for kind, number in sorted(counts.items())))


if __name__ == "__main__":
    main()
