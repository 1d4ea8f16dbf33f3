"""The query engines: each reads objects under the types of the catalog, and answers rows of Python's own values."""

import re

import hive

# Types that none of the engines knows. Nothing is ever written under them, so any type does.
FOREIGN = re.compile(r"\b(varchar|char|uniontype)\b.*")


def read(engine, columns, files):
    """The types under which the engine read (its own, where it cannot read the declared one), and the rows."""
    takes, rows = ENGINES[engine]
    declared = {name: hive.parse(FOREIGN.sub("string", text)) for name, text in columns}
    types = {name: mapped(tree, takes) for name, tree in declared.items()}
    return types, rows(types, files)


def mapped(tree, leaf):
    """The type with another one for each of its leaves."""
    match tree:
        case ("array", of):
            return ("array", mapped(of, leaf))
        case ("struct", fields):
            return ("struct", [(name, mapped(of, leaf)) for name, of in fields])
    return leaf(tree)


def duckdb_takes(tree):
    # DuckDB makes a decimal of a JSON number with a fraction by way of a double, which changes digits and puts the
    # largest ones out of range. Whole numbers keep their digits.
    return "double" if tree[0] == "decimal" and tree[2] > 0 else tree


def duckdb_rows(types, files):
    import duckdb

    shape = {name: hive.duckdb(tree) for name, tree in types.items()}
    relation = duckdb.read_json(files, format="newline_delimited", columns=shape)
    rows = [dict(zip(relation.columns, row)) for row in relation.fetchall()]
    inferred = duckdb.read_json(files, format="newline_delimited", sample_size=-1)
    for name, found in zip(inferred.columns, inferred.types):
        if not guessed(found, types[name]):
            raise ValueError(f"DuckDB takes {name} for {found}")
    return rows


WHOLE = {"bigint", "ubigint", "hugeint", "uhugeint"}
GUESSES = {
    "string": {"varchar", "uuid"},
    "boolean": {"boolean"},
    "date": {"date"},
    # Text, where some moments have a fraction and others none.
    "timestamp": {"timestamp", "varchar"},
    "float": WHOLE | {"double"},
    "double": WHOLE | {"double"},
    "decimal": WHOLE | {"double"},
}


def guessed(found, tree):
    """Whether DuckDB's guess at a type is as near to it as guesses at JSON can be."""
    if found.id == "null":
        return True
    match tree:
        case ("array", of):
            # Of what is in arrays that are all empty it can say nothing but JSON.
            return found.id == "list" and (str(found) == "JSON[]" or guessed(found.children[0][1], of))
        case ("struct", fields):
            of = dict(fields)
            return found.id == "struct" and all(guessed(child, of[name]) for name, child in found.children)
        case ("decimal", _, _):
            return found.id in GUESSES["decimal"]
    return found.id in GUESSES.get(tree, WHOLE)


def arrow_takes(tree):
    # Arrow takes dates only as numbers of days, and no maps (under which nothing is ever written).
    return "string" if tree == "date" or tree[0] == "map" else tree


def arrow_rows(types, files):
    import pyarrow
    import pyarrow.json

    def arrow(tree):
        match tree:
            case "tinyint" | "smallint" | "int" | "bigint":
                return pyarrow.type_for_alias(f"int{hive.BITS[tree]}")
            case "timestamp":
                return pyarrow.timestamp("us")
            case ("decimal", precision, scale):
                return pyarrow.decimal128(precision, scale)
            case ("array", of):
                return pyarrow.list_(arrow(of))
            case ("struct", fields):
                return pyarrow.struct([(name, arrow(of)) for name, of in fields])
        return pyarrow.type_for_alias(tree)

    schema = pyarrow.schema([(name, arrow(tree)) for name, tree in types.items()])
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    return [row for file in files for row in pyarrow.json.read_json(file, parse_options=options).to_pylist()]


def spark_takes(tree):
    return tree


def spark_rows(types, files):
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        # A few hundred rows: the time goes into the start.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)

    def ddl(tree, timestamp="timestamp"):
        match tree:
            case "timestamp":
                return timestamp
            case ("decimal", precision, scale):
                return f"decimal({precision},{scale})"
            case ("array", of):
                return f"array<{ddl(of, timestamp)}>"
            case ("map", key, of):
                return f"map<{ddl(key, timestamp)},{ddl(of, timestamp)}>"
            case ("struct", fields):
                return "struct<" + ",".join(f"`{name}`:{ddl(of, timestamp)}" for name, of in fields) + ">"
        return tree

    schema = ",".join(f"`{name}` {ddl(tree)}" for name, tree in types.items())
    # Python cannot make a local time of a moment in the first year, but of a time without a zone it can.
    zoneless = [f"cast(`{name}` as {ddl(tree, 'timestamp_ntz')}) as `{name}`" for name, tree in types.items()]
    # FAILFAST, because otherwise a row that cannot be read is one of nulls.
    frame = builder.getOrCreate().read.schema(schema).option("mode", "FAILFAST").json(files)
    return [row.asDict(recursive=True) for row in frame.selectExpr(*zoneless).collect()]


ENGINES = {
    "duckdb": (duckdb_takes, duckdb_rows),
    "arrow": (arrow_takes, arrow_rows),
    "spark": (spark_takes, spark_rows),
}
