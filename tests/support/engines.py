"""Reads local lakes with a query engine, and holds every row against the one that was to be written.

Arguments: the engine's name and the lakes' folders, in which `expected.json` says of each stream its columns, the records
that were sent and the rows they must become. Prints how many rows agree; on any difference says which, and fails.
"""

import collections
import glob
import json
import os
import sys

import engines_readers
import engines_union
from engines_union import exact, frozen, loads


def check(stream, times, types, rows):
    """Says what is wrong with the rows that an engine read of a stream that was sent so many times."""
    expected = collections.defaultdict(list)
    for record, text in zip(stream["records"] * times, stream["rows"] * times):
        row = loads(text)
        wanted = {name: exact(row.get(name), tree) for name, tree in types.items() if not metadata(name)}
        expected[frozen(wanted)].append(record)
    ids = set()
    for row in rows:
        ids.add(row["_airbyte_raw_id"])
        records = expected[frozen({name: value for name, value in row.items() if not metadata(name)})]
        if not records:
            yield f"no record becomes the row {row}"
            continue
        record = records.pop()
        yield from (f"{record}: {fault}" for fault in engines_union.faults(stream, types, record, row))
    for row, records in expected.items():
        yield from (f"{record} did not become {row}" for record in records)
    if len(ids) != len(rows):
        yield f"{len(ids)} ids in {len(rows)} rows"


def metadata(name):
    return name.startswith("_airbyte_")


# The ends of the objects' names, in the order in which the formats' codecs are written.
ENDS = {"jsonl": [".jsonl.gz", ".jsonl"], "parquet": [".parquet", ".snappy.parquet", ".gz.parquet", ".zstd.parquet"]}


def main():
    engine, *folders = sys.argv[1:]
    faults, count = [], 0
    for folder in folders:
        count += read_lake(engine, folder, faults)
    print("\n".join(faults) if faults else f"{count} rows agree")
    sys.exit(bool(faults))


def read_lake(engine, folder, faults):
    """Returns how many rows were read, and adds what is wrong with them."""
    format, count = os.path.basename(folder), 0
    with open(os.path.join(folder, "expected.json")) as file:
        expected = json.load(file)
    for name, stream in sorted(expected.items()):
        with open(os.path.join(folder, "catalog", "lake", f"{name}.json")) as file:
            storage = json.load(file)["StorageDescriptor"]
        columns = [[column["Name"], column["Type"]] for column in storage["Columns"]]
        if columns != stream["columns"]:
            faults.append(f"{name}: the columns are {columns}")
        files = sorted(glob.glob(glob.escape(storage["Location"].removeprefix("file://")) + "*"))
        if [path[path.index(".", len(os.path.dirname(path))) :] for path in files] != ENDS[format]:
            faults.append(f"{name}: the objects are {files}")
        try:
            types, rows = engines_readers.read(engine, columns, files)
            faults += [f"{name}: {fault}" for fault in check(stream, len(files), types, rows)]
            count += len(rows)
        except Exception as error:  # One stream that an engine cannot read must not hide the others.
            faults.append(f"{name}: {type(error).__name__}: {error}")
    return count


if __name__ == "__main__":
    main()
