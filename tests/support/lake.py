"""AWS's own client and other people's readers, for the tests: one JSON request a line in, one answer a line out.

`{"do": "name", ...}` calls the function of that name below; the answer is `{"answer": ...}` or `{"error": "..."}`.
The arguments of the process are the endpoint, the access key, the secret and S3's endpoint. It ends when its input closes.
"""

import base64
import gzip
import json
import os
import sys
import tempfile
import threading
from collections import Counter

import boto3
import duckdb
from botocore.config import Config
from botocore.exceptions import ClientError

import hive
from hive import Number

REGION = "us-east-1"


def client(service):
    endpoint, key, secret, s3_endpoint = sys.argv[1:5]
    return boto3.client(
        service,
        endpoint_url=s3_endpoint if service == "s3" else endpoint,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


s3, glue, iam, lakeformation = client("s3"), client("glue"), client("iam"), client("lakeformation")


# What a test sets up.


def bucket(name):
    s3.create_bucket(Bucket=name)


def put(bucket, key, text):
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())


def empty(bucket, prefix):
    for key in keys(bucket, prefix):
        s3.delete_object(Bucket=bucket, Key=key)


def database(name):
    glue.create_database(DatabaseInput={"Name": name})


def create_table(database, table_input):
    glue.create_table(DatabaseName=database, TableInput=table_input)


def rebuild(case):
    """Puts into S3 and Glue what the Python connector left behind; see fixtures/upstream."""
    for found in case["databases"]:
        name = found["input"]["Name"].lower()  # as Glue does, and moto does not
        if name not in databases():
            glue.create_database(DatabaseInput={"Name": name})
        for table in found["tables"]:
            create_table(name, table["input"])
            for at in range(0, len(table["partitions"]), 100):
                some = table["partitions"][at : at + 100]
                answer = glue.batch_create_partition(
                    DatabaseName=name, TableName=table["input"]["Name"], PartitionInputList=some
                )
                if answer.get("Errors"):
                    raise ValueError(answer["Errors"])
    for item in case["objects"]:
        body = item["text"].encode() if "text" in item else base64.b64decode(item["base64"])
        body = gzip.compress(body, mtime=0) if item.get("gzip") else body
        s3.put_object(Bucket=case["bucket"], Key=item["key"], Body=body)


def tag_exists(key, values):
    """A Lake Formation tag that can be put on resources."""
    lakeformation.create_lf_tag(TagKey=key, TagValues=values)


def tag(database, key, value):
    resource = {"Database": {"Name": database}}
    lakeformation.add_lf_tags_to_resource(Resource=resource, LFTags=[{"TagKey": key, "TagValues": [value]}])


def user(name, statements):
    """A user that may do what the statements say and nothing else; answers its keys."""
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="test", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def permit(name, policy):
    """Replaces what the user and the role of this name may do."""
    iam.put_user_policy(UserName=name, PolicyName="test", PolicyDocument=json.dumps(policy))
    iam.put_role_policy(RoleName=name, PolicyName="test", PolicyDocument=json.dumps(policy))


def role(name, trusted, statements):
    """A role that the trusted principal may assume; answers its ARN."""
    trust = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}
    answer = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="test", PolicyDocument=policy)
    return answer["Role"]["Arn"]


# What a test asks.


def keys(bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def uploads(bucket, prefix=""):
    try:
        answer = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotImplemented":
            return []  # s3s-fs does not know
        raise
    return [found["Key"] for found in answer.get("Uploads", [])]


def databases():
    return [found["Name"] for page in glue.get_paginator("get_databases").paginate() for found in page["DatabaseList"]]


def tables(database):
    try:
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return [found["Name"] for page in pages for found in page["TableList"]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            return []
        raise


def definition(database, table):
    """The table as Glue returns it."""
    return glue.get_table(DatabaseName=database, Name=table)["Table"]


def read(database, table):
    """The table's location, columns, objects and rows, as a reader that trusts only the catalog sees them."""
    entry = definition(database, table)
    storage = entry["StorageDescriptor"]
    columns = [(column["Name"], column["Type"]) for column in storage["Columns"]]
    partition_keys = [key["Name"] for key in entry.get("PartitionKeys", [])]
    rows, objects = [], []
    for location, values in places(entry):
        keys_here = visible(location)
        objects += keys_here
        for row in read_objects(location, keys_here, columns):
            rows.append(row | dict(zip(partition_keys, values)))
    return {"location": storage["Location"], "columns": columns, "objects": objects, "rows": rows}


def places(entry):
    """Where engines read the table: its location, or those of its partitions, with their values."""
    if not entry.get("PartitionKeys"):
        return [(entry["StorageDescriptor"]["Location"], [])]
    found = partitions(entry["DatabaseName"], entry["Name"])
    return [(partition["StorageDescriptor"]["Location"], partition["Values"]) for partition in found]


def partitions(database, table):
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
    return [partition for page in pages for partition in page["Partitions"]]


def lines(database, table):
    """How many lines are in the objects of the table, or of its partitions where it has keys."""
    found = 0
    for location, _ in places(definition(database, table)):
        for key in visible(location):
            body = s3.get_object(Bucket=location.removeprefix("s3://").split("/", 1)[0], Key=key)["Body"].read()
            found += len((gzip.decompress(body) if key.endswith(".gz") else body).splitlines())
    return found


def tags(database):
    answer = lakeformation.get_resource_lf_tags(Resource={"Database": {"Name": database}})
    return {found["TagKey"]: found["TagValues"] for found in answer.get("LFTagOnDatabase", [])}


def location_of_database(database):
    return glue.get_database(Name=database)["Database"].get("LocationUri")


def object_text(bucket, key):
    return base64.b64encode(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()


def counts(database, table, column):
    """How often each value of the column occurs; nothing where there is no table."""
    rows = read(database, table)["rows"] if table in tables(database) else []
    return Counter(str(row[column]) for row in rows)


def visible(location):
    """The objects that engines see below a location: names that begin with `_` or `.` are hidden to them."""
    bucket, prefix = location.removeprefix("s3://").split("/", 1)
    prefix = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    below = [(key, key[len(prefix) :].split("/")) for key in keys(bucket, prefix)]
    return [key for key, parts in below if not any(part[:1] in "_." for part in parts)]


def read_objects(location, keys_here, columns):
    if not keys_here:
        return []
    bucket = location.removeprefix("s3://").split("/", 1)[0]
    types = {name: hive.parse(text) for name, text in columns}
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, key in enumerate(keys_here):
            # Engines tell the codec by the key's extension, so the copy keeps it.
            path = os.path.join(folder, f"{number}-{os.path.basename(key)}")
            s3.download_file(bucket, key, path)
            if not path.endswith(".parquet"):
                check_lines(path, key, types)
            files.append(path)
        if files[0].endswith(".parquet"):
            relation = duckdb.read_parquet(files)
            # Without a library of time zones DuckDB hands out no timestamps with one.
            texts = [f'"{name}"' if "ZONE" not in str(kind) else f'"{name}"::VARCHAR AS "{name}"'
                     for name, kind in zip(relation.columns, relation.types)]
            relation = relation.project(", ".join(texts))
        else:
            shape = {name: hive.duckdb(tree) for name, tree in types.items()}
            relation = duckdb.read_json(files, format="newline_delimited", columns=shape, maximum_object_size=64 << 20)
        return [dict(zip(relation.columns, row)) for row in relation.fetchall()]


def check_lines(path, key, types):
    """Every line is a JSON object whose keys are columns, once each, and whose values suit the declared types."""
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    with opened as lines:
        for number, line in enumerate(lines, 1):
            where = f"{key} line {number}"
            if not line.endswith(b"\n") or not line.startswith(b"{"):
                raise ValueError(f"{where} is no JSON object with a line end")
            row = json.loads(line.decode("utf-8"), object_pairs_hook=distinct, parse_int=Number, parse_float=Number)
            for name, value in row.items():
                if name not in types:
                    raise ValueError(f"{where}: {name!r} is no column")
                if not hive.fits(value, types[name]):
                    raise ValueError(f"{where}: {value!r} is no {types[name]} in {name!r}")


def distinct(pairs):
    if len({name.lower() for name, _ in pairs}) != len(pairs):
        raise ValueError(f"keys twice in {[name for name, _ in pairs]}")
    return dict(pairs)


# A reader that looks again and again while a sync runs.

watched, watching = [], threading.Event()


def watch(database, table, column):
    """Begins to look: each look asks for the location, lists it and reads every object, and notes the distinct
    values of the column with their counts."""
    watched.clear()
    watching.set()
    threading.Thread(target=looks, args=(database, table, column), daemon=True).start()
    while not watched:
        pass


def looks(database, table, column):
    while watching.is_set():
        try:
            counts = {}
            location = definition(database, table)["StorageDescriptor"]["Location"]
            bucket = location.removeprefix("s3://").split("/", 1)[0]
            for key in visible(location):
                body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                for line in gzip.decompress(body).splitlines():
                    value = str(json.loads(line)[column])
                    counts[value] = counts.get(value, 0) + 1
            watched.append({"seen": counts})
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in ("NoSuchKey", "404"):
                watched.append({"error": str(error)})
            # An object that was listed and is gone: a query planned on the old set fails and is asked again,
            # it never answers with a part. Engines behave the same.
            else:
                watched.append({"gone": True})


def watched_so_far():
    watching.clear()
    return list(watched)


def main():
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": globals()[request.pop("do")](**request)}
        except Exception as error:  # whatever it was, the test must hear it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, default=str), flush=True)
    os._exit(0)  # at once: nothing is worth an orderly end


if __name__ == "__main__":
    main()
