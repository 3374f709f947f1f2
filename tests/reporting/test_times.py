"""What rounds took of the processor, by hand."""

import pyarrow as pa
import pyarrow.parquet as pq

from altool.console import Console
from altool.reporting import times
from altool.tables.read import Reader
from altool.tables.schema import KINDS


def test_means_of_each_run(tmp_path):
    lines = [("a", 0, 0, 1.0, 0.5, 2.0), ("a", 0, 1, 3.0, 0.5, None), ("a", 1, 0, 2.0, 2.0, 4.0), ("b", 0, 0, None, None, 1.0)]
    schema = pa.schema(list(KINDS["times"].columns.items()))
    for number, line in enumerate(lines):
        folder = tmp_path / "out" / "runs" / f"run-{number}"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([dict(zip(schema.names, line, strict=True))], schema), folder / "times.parquet")
    (tmp_path / "out" / "runs" / "unfinished").mkdir()
    reader = Reader(None, None, Console(quiet=True))
    found = times.read(reader, [str(tmp_path / "out"), str(tmp_path / "nowhere"), "s3://bucket/out"])
    assert found == {"a": {"fit": 2.0, "measure": 1.0, "choose": 3.0}, "b": {"fit": 0.0, "measure": 0.0, "choose": 1.0}}
    assert times.table(found, ["b", "c"]) == (["run", "fit s", "measure s", "choose s"], [("b", ["0", "0", "1"])])
