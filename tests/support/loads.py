"""Reads the tables that loads have made, with a query engine, and holds every value against what was sent: it is in the column
of its property, or it is rescued.

Arguments: the engine's name and the lake's folder, in which `sent.json` has the records of each table. Prints how many rows
agree; on any fault says which, and fails.
"""

import glob
import json
import os
import sys

import engines_readers
from engines_union import RESCUED, loads, same


def faults(columns, types, sent, rows):
    """Says what is wrong with the rows that an engine read of a table."""
    found = {row["id"]: row for row in rows}
    if len(found) != len(rows) or len(found) != len(sent):
        yield f"{len(rows)} rows of {len(sent)} records"
        return
    names = {column.get("Parameters", {}).get("airbyte_property"): column["Name"] for column in columns}
    # Of each column that is a struct: the names of its fields by property, where they differ.
    fields = {}
    for column in columns:
        recorded = json.loads(column.get("Parameters", {}).get("airbyte_fields", "{}"))
        fields[column["Name"]] = {of: name for name, of in recorded.items() if isinstance(of, str)}
    for record in sent:
        row = found[int(record["id"])]
        rescued = loads(row[RESCUED]) if row[RESCUED] is not None else {}
        for key, value in record.items():
            name = names.get(key)
            if isinstance(value, dict) and fields.get(name):
                value = {fields[name].get(field, field): of for field, of in value.items()}
            if key in rescued:
                if rescued[key] != value:
                    yield f"{record}: {key!r} is rescued as {rescued[key]!r}"
            elif value is not None and (name is None or not same(value, row[name], types[name])):
                yield f"{record}: {key!r} is {row.get(name)!r} and not rescued"
        filled = {key for key, name in names.items() if key and row[name] is not None}
        yield from (f"{record}: {key!r} is from nowhere" for key in (filled | rescued.keys()) - record.keys())


def main():
    engine, folder = sys.argv[1:]
    with open(os.path.join(folder, "sent.json")) as file:
        tables = loads(file.read())
    wrong, count = [], 0
    for name, sent in tables.items():
        with open(os.path.join(folder, "catalog", "default", f"{name}.json")) as file:
            storage = json.load(file)["StorageDescriptor"]
        columns = [[column["Name"], column["Type"]] for column in storage["Columns"]]
        files = sorted(glob.glob(glob.escape(storage["Location"].removeprefix("file://")) + "*"))
        try:
            types, rows = engines_readers.read(engine, columns, files)
            wrong += [f"{name}: {fault}" for fault in faults(storage["Columns"], types, sent, rows)]
            count += len(rows)
        except Exception as error:  # One table that an engine cannot read must not hide the others.
            wrong.append(f"{name}: {type(error).__name__}: {error}")
    print("\n".join(wrong) if wrong else f"{count} rows agree")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
