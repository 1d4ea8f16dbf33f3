"""What becomes of a row that does not look like the 30,000 before it: late-row.py.

Two files, one whose last row has a field that no other has, one whose last row has a text where all others have a number.
Each is turned into Parquet by DuckDB, polars and pyarrow with their defaults, and loaded by the program into a local lake;
then the last row is read back.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import duckdb
import polars
import pyarrow.json
import pyarrow.parquet

CASES = {"a new field": {"id": 30000, "price": 1.5, "coupon": "X"}, "a text for a number": {"id": 30000, "price": "free"}}


def by_duckdb(source, folder):
    duckdb.sql(f"copy (from read_json_auto('{source}')) to '{folder}/duck.parquet'")
    return duckdb.sql(f"from '{folder}/duck.parquet' where id = 30000").pl().to_dicts()


def by_polars(source, folder):
    polars.scan_ndjson(source).sink_parquet(f"{folder}/polars.parquet")
    return polars.read_parquet(f"{folder}/polars.parquet").filter(polars.col("id") == 30000).to_dicts()


def by_pyarrow(source, folder):
    pyarrow.parquet.write_table(pyarrow.json.read_json(source), f"{folder}/arrow.parquet")
    return polars.read_parquet(f"{folder}/arrow.parquet").filter(polars.col("id") == 30000).to_dicts()


def by_this(source, folder):
    command = ["destination-aws-datalake", "load", "--local", f"{folder}/lake", "--table", "t", source]
    subprocess.run(command, check=True, capture_output=True)
    rows = f"read_json('{folder}/lake/objects/default/t/*/*', format='newline_delimited', compression='gzip', sample_size=-1)"
    return duckdb.sql(f"from {rows} where id = 30000").pl().to_dicts()


for case, late in CASES.items():
    print(f"{case}: {json.dumps(late)}")
    for name, load in [("DuckDB", by_duckdb), ("polars", by_polars), ("pyarrow", by_pyarrow), ("this", by_this)]:
        with tempfile.TemporaryDirectory() as folder:
            source = str(Path(folder, "rows.jsonl"))
            rows = ({"id": number, "price": 1.5} for number in range(30000))
            Path(source).write_text("".join(json.dumps(row) + "\n" for row in [*rows, late]))
            try:
                rows = load(source, folder)
            except Exception as error:
                print(f"  {name}: fails, {str(error).splitlines()[0][:70]}")
                continue
            kept = [{key: value for key, value in row.items() if value is not None} for row in rows]
            print(f"  {name}: {json.dumps(kept, default=str)}")
