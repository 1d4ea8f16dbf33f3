"""The query engines: each reads objects under the types of the catalog, and answers rows of Python's own values."""

import datetime
import re

import hive

# Types that the engines read as text, and one that none of them knows and under which nothing is ever written.
FOREIGN = re.compile(r"\b(varchar|char)\(\d+\)|\buniontype\b.*")


def read(engine, columns, files):
    """The types under which the engine read (its own, where it cannot read the declared one), and the rows."""
    takes, rows, rows_of_parquet = ENGINES[engine]
    declared = {name: hive.parse(FOREIGN.sub("string", text)) for name, text in columns}
    if not files[0].endswith(".parquet"):
        types = {name: mapped(tree, takes) for name, tree in declared.items()}
        return types, rows(types, files)
    # A file has the columns and fields that are ever written, under their very types.
    unions = {name: ("map", "string", "string") for name, text in columns if "uniontype" in text}
    (_, stored) = without_maps(("struct", list((declared | unions).items())))
    rows = rows_of_parquet(dict(stored), files)
    return declared, [completed(row, ("struct", list(declared.items()))) for row in rows]


def without_maps(tree):
    """The type without the parts that are maps, or nothing."""
    match tree:
        case ("map", _, _):
            return None
        case ("array", of):
            return ("array", without_maps(of)) if without_maps(of) else None
        case ("struct", fields):
            left = [(name, without_maps(of)) for name, of in fields]
            left = [(name, of) for name, of in left if of]
            return ("struct", left) if left else None
    return tree


def completed(value, tree):
    """The value with nulls for what files do not have, and with moments as their time in UTC."""
    match value, tree:
        case dict(), ("struct", fields):
            return {name: completed(value.get(name), of) for name, of in fields}
        case list(), ("array", of):
            return [completed(item, of) for item in value]
        case datetime.datetime(tzinfo=datetime.tzinfo()), _:
            return value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return value


def mapped(tree, leaf):
    """The type with another one for each of its leaves."""
    match tree:
        case ("array", of):
            return ("array", mapped(of, leaf))
        case ("struct", fields):
            return ("struct", [(name, mapped(of, leaf)) for name, of in fields])
        case ("map", key, of):
            return ("map", key, mapped(of, leaf))
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


def duckdb_parquet(types, files):
    import duckdb

    duckdb.sql("SET TimeZone = 'UTC'")
    relation = duckdb.read_parquet(files)
    shapes = {name: hive.duckdb(tree) for name, tree in types.items()}
    for name, found in zip(relation.columns, relation.types):
        expected = duckdb.sqltype(shapes[name].replace("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"))
        if found != expected:
            raise ValueError(f"DuckDB takes {name} for {found}")
    casts = ", ".join(f'CAST("{name}" AS {shape}) AS "{name}"' for name, shape in shapes.items())
    relation = relation.project(casts)
    return [dict(zip(relation.columns, row)) for row in relation.fetchall()]


WHOLE = {"bigint", "ubigint", "hugeint", "uhugeint"}
GUESSES = {
    "string": {"varchar", "uuid", "time"},
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
        case ("map", _, _):
            return found.id in ("map", "struct", "json")
        case ("decimal", _, _):
            return found.id in GUESSES["decimal"]
    return found.id in GUESSES.get(tree, WHOLE)


def arrow_takes(tree):
    # Arrow takes dates only as numbers of days.
    return "string" if tree == "date" else tree


def arrow(tree, zone=None):
    """Arrow's own type."""
    import pyarrow

    match tree:
        case "tinyint" | "smallint" | "int" | "bigint":
            return pyarrow.type_for_alias(f"int{hive.BITS[tree]}")
        case "timestamp":
            return pyarrow.timestamp("us", zone)
        case "date":
            return pyarrow.date32()
        case ("decimal", precision, scale):
            return pyarrow.decimal128(precision, scale)
        case ("array", of):
            return pyarrow.list_(pyarrow.field("element", arrow(of, zone)))
        case ("struct", fields):
            return pyarrow.struct([(name, arrow(of, zone)) for name, of in fields if of[0] != "map"])
    return pyarrow.type_for_alias(tree)


def arrow_rows(types, files):
    import pyarrow
    import pyarrow.json

    # Arrow reads no maps; it makes structs of what it finds.
    schema = pyarrow.schema([(name, arrow(tree)) for name, tree in types.items() if tree[0] != "map"])
    unexpected = "infer" if "map" in str(types) else "error"
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected)
    # A row must fit into two blocks.
    blocks = pyarrow.json.ReadOptions(block_size=8 << 20)
    tables = [pyarrow.json.read_json(file, blocks, options) for file in files]
    return [without_nulls(row, ("struct", list(types.items()))) for table in tables for row in table.to_pylist()]


def without_nulls(value, tree):
    """The value with all columns and fields, and with maps without the nulls that stand for the keys of others."""
    match tree:
        case ("array", of) if value is not None:
            return [without_nulls(item, of) for item in value]
        case ("struct", fields) if value is not None:
            return {name: without_nulls(value.get(name), of) for name, of in fields}
        case ("map", _, of) if value is not None:
            return {key: without_nulls(item, of) for key, item in value.items() if item is not None}
    return value


def arrow_parquet(types, files):
    import pyarrow
    import pyarrow.parquet

    expected = pyarrow.schema([(name, arrow(tree, "UTC")) for name, tree in types.items()])
    rows = []
    for file in files:
        table = pyarrow.parquet.read_table(file, page_checksum_verification=True)
        table.validate(full=True)
        if not table.schema.equals(expected):
            raise ValueError(f"Arrow finds {table.schema}, expected {expected}")
        rows += table.to_pylist()
    return rows


def spark_takes(tree):
    return tree


def spark_parquet(types, files):
    return spark_rows(types, files, "parquet")


def spark():
    """The session, which begins with the first call."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        # A few hundred rows: the time goes into the start.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def spark_rows(types, files, format="json"):
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
    frame = spark().read.schema(schema).option("mode", "FAILFAST").format(format).load(files)
    return [row.asDict(recursive=True) for row in frame.selectExpr(*zoneless).collect()]


def polars_takes(tree):
    # polars takes no decimals of JSON text: fractions are read as doubles, and whole numbers as integers of 128 bits.
    return "double" if tree[0] == "decimal" and tree[2] > 0 else tree


def polars_rows(types, files):
    import polars

    simple = {
        "string": polars.String,
        "boolean": polars.Boolean,
        "tinyint": polars.Int8,
        "smallint": polars.Int16,
        "int": polars.Int32,
        "bigint": polars.Int64,
        "float": polars.Float32,
        "double": polars.Float64,
        "date": polars.Date,
        "timestamp": polars.Datetime("us"),
    }

    def of_polars(tree):
        match tree:
            case ("decimal", _, _):
                return polars.Int128
            case ("array", of):
                return polars.List(of_polars(of))
            case ("struct", fields):
                return polars.Struct({name: of_polars(of) for name, of in fields})
        return simple[tree]

    schema = {name: of_polars(tree) for name, tree in types.items()}
    return [row for file in files for row in polars.read_ndjson(file, schema=schema).to_dicts()]


def polars_parquet(types, files):
    import polars

    # Of each column by itself: files of one table need not have all of them.
    return [row for file in files for row in polars.read_parquet(file).to_dicts()]


ENGINES = {
    "duckdb": (duckdb_takes, duckdb_rows, duckdb_parquet),
    "arrow": (arrow_takes, arrow_rows, arrow_parquet),
    "polars": (polars_takes, polars_rows, polars_parquet),
    "spark": (spark_takes, spark_rows, spark_parquet),
}
