"""Hive type strings, as Glue holds them: parsed, turned into DuckDB's, and held against JSON values.

`fits` accepts only the forms on which Athena, Spark, Redshift Spectrum and DuckDB agree, because a reader that
is lenient (as DuckDB is) would hide a row that another engine reads as null.
"""

import re

SIMPLE = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
}
BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")


def parse(text):
    """A tree: a word, or ("decimal", p, s), ("array", of), ("map", of, of), ("struct", [(name, of)])."""
    tree, rest = _parse(text.strip())
    if rest:
        raise ValueError(f"unread end {rest!r} of the type {text!r}")
    return tree


def _parse(text):
    word = re.match(r"[a-z_]+", text)
    if not word:
        raise ValueError(f"no type at {text!r}")
    name, rest = word.group(), text[word.end() :]
    if name == "decimal":
        arguments = re.match(r"\((\d+), ?(\d+)\)", rest)
        return ("decimal", int(arguments[1]), int(arguments[2])), rest[arguments.end() :]
    if name == "array":
        of, rest = _parse(_drop("<", rest))
        return ("array", of), _drop(">", rest)
    if name == "map":
        key, rest = _parse(_drop("<", rest))
        of, rest = _parse(_drop(",", rest))
        return ("map", key, of), _drop(">", rest)
    if name == "struct":
        fields, rest = [], _drop("<", rest)
        while True:
            field, rest = rest.split(":", 1)
            of, rest = _parse(rest)
            fields.append((field, of))
            if not rest.startswith(","):
                return ("struct", fields), _drop(">", rest)
            rest = rest[1:]
    if name not in SIMPLE:
        raise ValueError(f"unknown type {name!r}")
    return name, rest


def _drop(mark, text):
    if not text.startswith(mark):
        raise ValueError(f"expected {mark!r} at {text!r}")
    return text[1:]


def duckdb(tree):
    """The same type in DuckDB's words."""
    match tree:
        case str():
            return SIMPLE[tree]
        case ("decimal", precision, scale):
            return f"DECIMAL({precision},{scale})"
        case ("array", of):
            return duckdb(of) + "[]"
        case ("map", key, of):
            return f"MAP({duckdb(key)},{duckdb(of)})"
        case ("struct", fields):
            return "STRUCT(" + ", ".join(f'"{name}" {duckdb(of)}' for name, of in fields) + ")"


def fits(value, tree):
    """Whether every engine reads this JSON value (numbers as `Number`) as this type."""
    if value is None:
        return True
    match tree:
        case "string":
            return isinstance(value, str) and not isinstance(value, Number)
        case "boolean":
            return isinstance(value, bool)
        case "tinyint" | "smallint" | "int" | "bigint":
            limit = 1 << (BITS[tree] - 1)
            return isinstance(value, Number) and value.integral() and -limit <= int(value) < limit
        case "float" | "double":
            return isinstance(value, Number)
        case "date":
            return isinstance(value, str) and DATE.fullmatch(value) is not None
        case "timestamp":
            return isinstance(value, str) and TIMESTAMP.fullmatch(value) is not None
        case ("decimal", precision, scale):
            return isinstance(value, Number) and value.decimal(precision, scale)
        case ("array", of):
            return isinstance(value, list) and all(fits(item, of) for item in value)
        case ("map", _, of):
            return isinstance(value, dict) and all(fits(item, of) for item in value.values())
        case ("struct", fields):
            of = dict(fields)
            return isinstance(value, dict) and all(
                name in of and fits(item, of[name]) for name, item in value.items()
            )
    return False


class Number(str):
    """A number as the file spells it."""

    def integral(self):
        return re.fullmatch(r"-?(0|[1-9]\d*)", self) is not None

    def decimal(self, precision, scale):
        digits = re.fullmatch(r"-?(\d+)(?:\.(\d+))?", self)
        if digits is None:
            return False
        whole, fraction = digits[1].lstrip("0"), digits[2] or ""
        return len(whole) <= precision - scale and len(fraction) <= scale
