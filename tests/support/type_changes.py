"""Reads the tables that two syncs of other types have made, with a query engine, and holds every value against what was
sent: it is in one column of its property, or it is rescued.

Arguments: the engine's name and the lake's folder, in which `first.jsonl` and `second.jsonl` are the messages of the two
syncs. Prints how many values were rescued of each table and property; on any fault says which, and fails.
"""

import collections
import glob
import json
import os
import sys

import engines_readers
from engines_union import loads, same

RESCUED = "_rescued_data"


def check(name, columns, types, sent, rows, rescued_counts):
    """Says what is wrong with the rows that an engine read of a table."""
    by_property = collections.defaultdict(list)
    for column in columns:
        by_property[column.get("Parameters", {}).get("airbyte_property")].append(column["Name"])
    found = {row["id"]: row for row in rows}
    if len(found) != len(rows) or found.keys() != sent.keys():
        yield f"{name}: {len(rows)} rows of {len(sent)} records"
        return
    for number, record in sent.items():
        row = found[number]
        rescued = loads(row[RESCUED]) if row[RESCUED] is not None else {}
        yield from (f"{name} {number}: {key} is rescued from nowhere" for key in rescued.keys() - record.keys())
        for key, names in by_property.items():
            if key is None:
                continue
            value = record.get(key)
            held = [column for column in names if row[column] is not None]
            place = f"{name} {number}: {key}"
            if key in rescued:
                rescued_counts[name, key] += 1
                if rescued[key] != value:
                    yield f"{place} is rescued as {rescued[key]!r}"
            elif value is None and held:
                yield f"{place} is from nowhere"
            elif value is not None and (
                len(held) != 1 or not same(value, row[held[0]], types[held[0]])
            ):
                yield f"{place} was {value!r} and is {[row[column] for column in names]!r}"


def main():
    engine, folder = sys.argv[1:]
    sent = collections.defaultdict(dict)
    for file in ["first.jsonl", "second.jsonl"]:
        with open(os.path.join(folder, file)) as lines:
            for line in lines:
                message = loads(line)
                if message["type"] == "RECORD":
                    record = message["record"]
                    sent[record["stream"]][int(record["data"]["id"])] = record["data"]
    faults, rescued = [], collections.Counter()
    for name, records in sent.items():
        with open(os.path.join(folder, "catalog", "lake", f"{name}.json")) as file:
            storage = json.load(file)["StorageDescriptor"]
        columns = [[column["Name"], column["Type"]] for column in storage["Columns"]]
        files = sorted(glob.glob(glob.escape(storage["Location"].removeprefix("file://")) + "*"))
        try:
            types, rows = engines_readers.read(engine, columns, files)
            faults += check(name, storage["Columns"], types, records, rows, rescued)
        except Exception as error:  # One table that an engine cannot read must not hide the others.
            faults.append(f"{name}: {type(error).__name__}: {error}")
    lines = [f"{first}, then {second}: {count} rescued" for (first, second), count in rescued.items()]
    print("\n".join(faults or lines))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
