"""Makes a large predictions table: `python -m benchmarks.predictions 10000000 100 predictions.parquet`."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 65_536


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("classes", type=int)
    parser.add_argument("output")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = np.random.default_rng(options.seed)
    schema = pa.schema([("id", pa.string()), ("probabilities", pa.list_(pa.float32(), options.classes))])
    names = [f"class-{number:03d}" for number in range(options.classes)]
    schema = schema.with_metadata({"altool.kind": "predictions", "altool.classes": json.dumps(names)})
    with pq.ParquetWriter(options.output, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, options.rows, ROWS):
            matrix = draw.random((min(ROWS, options.rows - start), options.classes), np.float32) ** 8
            matrix /= matrix.sum(axis=1, keepdims=True)
            ids = pa.array([f"row-{row:09d}" for row in range(start, start + len(matrix))])
            column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), options.classes)
            writer.write_table(pa.table([ids, column], schema=schema), row_group_size=ROWS)


if __name__ == "__main__":
    main()
