"""Nothing is lost: what an engine reads of a row, and what the row says it could not hold, make up the record."""

import datetime
import json
import re
import struct
from decimal import Decimal

from hive import Number

RESCUED = "_rescued_data"


def loads(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


def exact(value, tree):
    """A JSON value of the very form that is written under the type, as engines answer it."""
    if value is None:
        return None
    match tree:
        case "tinyint" | "smallint" | "int" | "bigint":
            return int(value)
        case "float":
            return struct.unpack("f", struct.pack("f", float(value)))[0]
        case "double":
            return float(value)
        case "date":
            return datetime.date.fromisoformat(value)
        case "timestamp":
            return datetime.datetime.fromisoformat(value)
        case ("decimal", _, _):
            return Decimal(value)
        case ("array", of):
            return [exact(item, of) for item in value]
        case ("struct", fields):
            return {name: exact(value.get(name), of) for name, of in fields}
        case ("map", _, of):
            return {key: exact(item, of) for key, item in value.items()}
    return value


def frozen(value):
    """Something that can be looked up, equal for equal values of one type."""
    match value:
        case dict():
            return tuple((name, frozen(item)) for name, item in sorted(value.items()))
        case list():
            return tuple(frozen(item) for item in value)
        case str():
            return ("str", str(value))
    return (type(value).__name__, value)


def faults(stream, types, record, row):
    """Says which members of the record are neither in the row nor rescued, or both, or come from nowhere."""
    columns = stream["keys"]
    sent = loads(record) or {}
    rescued = loads(row[RESCUED]) if row[RESCUED] is not None else {}
    for key, value in sent.items():
        if key in rescued:
            if rescued[key] != value:
                yield f"{key!r} is rescued as {rescued[key]!r}"
        elif value is not None and not same(value, row[columns[key]], types[columns[key]]):
            yield f"{key!r} is {row[columns[key]]!r} and not rescued"
    yield from (f"{key!r} is rescued from nowhere" for key in rescued.keys() - sent.keys())
    for key, column in columns.items():
        if row[column] is not None and sent.get(key) is None:
            yield f"{column} is {row[column]!r} from nowhere"

    metadata, meta = stream["metadata"], row["_airbyte_meta"]
    found = {name: row.get(name, meta.get(name)) for name in metadata}
    found["_airbyte_extracted_at"] = row["_airbyte_extracted_at"].isoformat(" ", "milliseconds")
    if found != metadata:
        yield f"its metadata is {found}"
    if [change["field"] for change in meta["changes"]] != [key for key in rescued if key in columns]:
        yield f"its changes are {meta['changes']}"


def same(sent, found, tree):
    """Whether an engine's value says what was sent, whatever the form it was sent in."""
    if sent is None or found is None:
        return sent is found
    match tree:
        case "string" if isinstance(found, str) and isinstance(sent, str) and not isinstance(sent, Number):
            if found == sent or found.startswith('"') and json.loads(found) == sent:
                return True  # As it is, or as JSON text.
            # A date or a time, where the engine reads those as text.
            at = moment(sent)
            return found == str(at.date()) or datetime.datetime.fromisoformat(found) == at
        case "string":
            return loads(found) == sent
        case "boolean":
            return str(sent).lower() == str(found).lower()
        case "float" | "double":
            return exact(sent, tree) == found
        case "date":
            return moment(sent) == datetime.datetime(found.year, found.month, found.day)
        case "timestamp":
            return moment(sent) == found
        case ("array", of):
            return len(sent) == len(found) and all(same(a, b, of) for a, b in zip(sent, found))
        case ("struct", fields):
            # Fields have the names of the properties in lower case.
            by_name = {key.lower(): value for key, value in sent.items() if value is not None}
            return by_name.keys() <= dict(fields).keys() and all(
                same(by_name.get(name), found[name], of) for name, of in fields
            )
        case ("map", _, of):
            return sent.keys() == found.keys() and all(same(sent[key], found[key], of) for key in sent)
    # Python's decimals do not take every exponent of a zero.
    mantissa, _, _ = sent.lower().partition("e")
    return Decimal(sent if mantissa.strip("-0.") else 0) == found


def moment(text):
    """The moment in UTC, whatever its form, down to the microsecond."""
    text = re.sub("Z(?=[+-])", "", text.upper().removesuffix("UTC").strip())
    found = datetime.datetime.fromisoformat(text)
    return found.astimezone(datetime.timezone.utc).replace(tzinfo=None) if found.tzinfo else found
