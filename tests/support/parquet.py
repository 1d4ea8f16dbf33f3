"""Holds a local lake of Parquet files against one of JSON lines that the same records were written to.

`compare ENGINE JSON_LAKE PARQUET_LAKE`: each engine reads the same rows, under the catalog's types, as JSON lines hold.
`adopt LAKE`, `adopted ENGINE LAKE`: makes a table as the Python connector leaves it; reads it with what was added.
`files ENGINE FOLDER`: the same of files that have their rows and their types beside them.
`prune ENGINE PARQUET_LAKE`: filters, by which engines skip row groups, find the rows that a look at every row finds.
Prints how many rows, or filters, agree; on any difference says which, and fails.
"""

import collections
import contextlib
import glob
import gzip
import itertools
import json
import os
import sys

import engines_readers
import hive
from engines_union import exact, frozen, loads


def tables(lake):
    """The name of each table, its columns, and its files."""
    for path in sorted(glob.glob(os.path.join(glob.escape(lake), "catalog", "*", "*.json"))):
        with open(path) as file:
            entry = json.load(file)
        storage = entry["StorageDescriptor"]
        columns = [[column["Name"], column["Type"]] for column in storage["Columns"]]
        files = glob.glob(glob.escape(storage["Location"].removeprefix("file://")) + "*")
        yield entry["Name"], columns, sorted(files)


def compare(engine, json_lake, parquet_lake):
    faults, count = [], 0
    for (name, columns, lines), (_, same, files) in zip(tables(json_lake), tables(parquet_lake), strict=True):
        if columns != same:
            faults.append(f"{name}: the columns are {same}")
            continue
        with contextlib.ExitStack() as stack:
            texts = [stack.enter_context(gzip.open(path, "rt", encoding="utf-8")) for path in lines]
            count += compare_rows(engine, name, columns, itertools.chain(*texts), files, faults)
    return faults, f"{count} rows agree"


def compare_files(engine, folder):
    faults, count = [], 0
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.types"))):
        with open(path) as file:
            columns = [line.rstrip("\n").split(" ", 1) for line in file]
        base = path.removesuffix(".types")
        with open(base + ".jsonl", encoding="utf-8", newline="\n") as lines:
            count += compare_rows(engine, base, columns, lines, [base + ".parquet"], faults)
    return faults, f"{count} rows agree"


def compare_rows(engine, name, columns, lines, files, faults):
    """Has the engine read the files, whose rows must be those of the lines. Returns how many it read."""
    types = {name: hive.parse(text) for name, text in columns}
    rows = map(loads, lines)
    expected = collections.Counter(frozen({name: exact(row.get(name), tree) for name, tree in types.items()}) for row in rows)
    try:
        read = engines_readers.read(engine, columns, files)[1]
    except Exception as error:  # One table must not hide the others.
        faults.append(f"{name} {columns}: {type(error).__name__}: {error}")
        return 0
    found = collections.Counter(frozen(row) for row in read)
    faults += [f"{name}: {times} times too often {row}" for row, times in (found - expected).items()]
    faults += [f"{name}: {times} times too few {row}" for row, times in (expected - found).items()]
    return len(read)


def prune(engine, lake):
    faults, count = [], 0
    ask = ASK[engine]
    for name, columns, files in tables(lake):
        for column, text in columns[1:-1]:
            values = ask(files, f"SELECT DISTINCT {column} FROM whole ORDER BY 1")
            literals = sorted({literal(value, text) for (value,) in values if value is not None})
            signs = ("=", "<", ">=", "<>")
            if engine == "spark":
                signs = signs[:2]
                literals = literals[:: 1 + len(literals) // 6]  # each filter is a job
            tests = [f"{column} {sign} {value}" for value in literals for sign in signs]
            tests += [f"{column} IS NULL", f"{column} IS NOT NULL"]
            answers = ", ".join(f"({test}) AS test{number}" for number, test in enumerate(tests))
            scanned = ask(files, f"SELECT id, {answers} FROM whole ORDER BY 1")
            for number, test in enumerate(tests, 1):
                pruned = ask(files, f"SELECT id FROM files WHERE {test} ORDER BY 1")
                expected = [(row[0],) for row in scanned if row[number]]
                count += 1
                if pruned != expected:
                    faults.append(f"{name}: {test[:200]}: {len(pruned)} rows of {len(expected)}")
    return faults, f"{count} filters agree"


def literal(value, text):
    match text:
        case "string":
            return "'" + value.replace("'", "''") + "'"
        case "date":
            return f"DATE '{value}'"
        case "timestamp":
            return f"TIMESTAMP '{value}'"
        case "double":
            return f"CAST('{value!r}' AS DOUBLE)"
    return str(value)


def adopt(lake):
    """A table as the Python connector leaves it: awswrangler's types, timestamps of 96 bits among them."""
    import datetime
    import decimal

    import pyarrow
    import pyarrow.parquet

    folder = os.path.join(lake, "objects", "default", "t")
    os.makedirs(folder)
    os.makedirs(os.path.join(lake, "catalog", "default"))
    types = {
        "id": ("bigint", pyarrow.int64()),
        "at": ("timestamp", pyarrow.timestamp("ns")),
        "n": ("int", pyarrow.int32()),
        "f": ("float", pyarrow.float32()),
        "m": ("decimal(10,2)", pyarrow.decimal128(10, 2)),
        "d": ("date", pyarrow.date32()),
        "b": ("boolean", pyarrow.bool_()),
        "t": ("string", pyarrow.string()),
        "l": ("array<string>", pyarrow.list_(pyarrow.string())),
        "s": ("struct<a:bigint>", pyarrow.struct([("a", pyarrow.int64())])),
    }
    row = [datetime.datetime(2026, 11, 22, 8, 47, 37, 150000), 7, 1.5, decimal.Decimal("12.50"), datetime.date(1969, 12, 31)]
    rows = [dict(zip(types, [id, *row, True, "x", ["a", None], {"a": 1}])) for id in range(2)]
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema([(name, of) for name, (_, of) in types.items()]))
    path = os.path.join(folder, "0123456789abcdef0123456789abcdef.snappy.parquet")
    pyarrow.parquet.write_table(table, path, flavor="spark", use_deprecated_int96_timestamps=True, compression="snappy")
    assert "int96 field_id=-1 at" in str(pyarrow.parquet.ParquetFile(path).schema)
    hive_parquet = "org.apache.hadoop.hive.ql.io.parquet"
    entry = {
        "Name": "t",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "Parameters": {"classification": "parquet", "compressionType": "snappy", "typeOfData": "file"},
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": text} for name, (text, _) in types.items()],
            "Location": f"file://{folder}/",
            "InputFormat": f"{hive_parquet}.MapredParquetInputFormat",
            "OutputFormat": f"{hive_parquet}.MapredParquetOutputFormat",
            "Compressed": True,
            "SerdeInfo": {
                "SerializationLibrary": f"{hive_parquet}.serde.ParquetHiveSerDe",
                "Parameters": {"serialization.format": "1"},
            },
        },
    }
    with open(os.path.join(lake, "catalog", "default", "t.json"), "w") as file:
        json.dump(entry, file)
    return [], "2 rows agree"


def adopted(engine, lake):
    """Old and new files are one table: every row but for its id is the same."""
    [(_, columns, files)] = tables(lake)
    columns = [column for column in columns if column[0] != "_rescued_data"]  # which old files do not have
    if engine == "duckdb":
        import duckdb

        duckdb.sql("SET TimeZone = 'UTC'")
        names = ", ".join(f'CAST("{name}" AS VARCHAR)' for name, _ in columns)
        reads = [duckdb.read_parquet(order, union_by_name=True).project(names).fetchall() for order in (files, files[::-1])]
    else:
        import pyarrow.dataset

        reads = []
        for order in (files, files[::-1]):
            rows = pyarrow.dataset.dataset(order).to_table(columns=[name for name, _ in columns]).to_pylist()
            reads.append([[str(engines_readers.completed(value, None)) for value in row.values()] for row in rows])
    faults = []
    for rows in reads:
        others = {tuple(row[1:]) for row in rows}
        if sorted(int(row[0]) for row in rows) != [0, 1, 2, 3] or len(others) != 1:
            faults.append(f"{engine}: {rows}")
    return faults, "4 rows agree"


def ask_duckdb(files, query, state={}):
    import duckdb

    if state.get("files") != files:
        duckdb.sql("SET TimeZone = 'UTC'")
        duckdb.sql(f"CREATE OR REPLACE VIEW files AS FROM read_parquet({files!r})")
        # Text that no statistics say anything about: every row is looked at.
        duckdb.sql(f"CREATE OR REPLACE TABLE whole AS FROM read_parquet({files!r})")
        state["files"] = files
    # Moments as text: their zone needs a package more.
    relation = duckdb.sql(query)
    casts = ", ".join(f'CAST("{name}" AS VARCHAR)' if str(of).startswith("TIMESTAMP") else f'"{name}"' for name, of in zip(relation.columns, relation.types))
    return relation.project(casts).fetchall()


def ask_spark(files, query, state={}):
    import engines_readers

    if state.get("files") != files:
        state["files"], state["spark"] = files, engines_readers.spark()
        frame = state["spark"].read.parquet(*files)
        frame.createOrReplaceTempView("files")
        # Rows in memory, of which no statistics are asked: every row is looked at.
        state["spark"].conf.set("spark.sql.inMemoryColumnarStorage.partitionPruning", "false")
        frame.cache().createOrReplaceTempView("whole")
    frame = state["spark"].sql(query)
    # Python cannot make a local time of a moment in the first year.
    casts = [f"cast(`{name}` as string) as `{name}`" if of == "timestamp" else f"`{name}`" for name, of in frame.dtypes]
    return [tuple(row) for row in frame.selectExpr(*casts).collect()]


ASK = {"duckdb": ask_duckdb, "spark": ask_spark}


def main():
    what, *arguments = sys.argv[1:]
    does = {"compare": compare, "files": compare_files, "prune": prune, "adopt": adopt, "adopted": adopted}
    faults, said = does[what](*arguments)
    print("\n".join(faults[:50]) if faults else said)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
