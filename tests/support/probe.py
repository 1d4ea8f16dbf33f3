"""Walks through the operations of the scripted server with AWS's own client, whose reading of the answers is the judge."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "test-lake"
PART = 5 << 20


def client(service, region="us-east-1"):
    return boto3.client(
        service,
        endpoint_url=sys.argv[1],
        region_name=region,
        aws_access_key_id="AKIAFAKE",
        aws_secret_access_key="fake",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "no error"


def objects(s3):
    key = "lake/test/t/g1/a b+ü&<.jsonl"
    s3.head_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b'{"a":1}\n')
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b'{"a":1}\n'
    s3.copy_object(Bucket=BUCKET, Key="lake/test/t/g2/copy", CopySource={"Bucket": BUCKET, "Key": key})
    for number in range(1, 13):
        s3.put_object(Bucket=BUCKET, Key=f"many/{number:04}", Body=b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET))
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    assert len(pages) == 2 and len(keys) == 14 and keys[0] == key, keys[:3]
    folders = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")["CommonPrefixes"]
    assert [folder["Prefix"] for folder in folders] == ["lake/", "many/"], folders
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": name} for name in keys]})
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    assert code(s3.get_object, Bucket=BUCKET, Key=key) == "NoSuchKey"
    assert code(s3.list_objects_v2, Bucket="another") == "NoSuchBucket"


def conditions(s3):
    at = {"Bucket": BUCKET, "Key": "intent"}
    first = s3.put_object(**at, Body=b"1", IfNoneMatch="*")["ETag"]
    assert code(s3.put_object, **at, Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    second = s3.put_object(**at, Body=b"2", IfMatch=first)["ETag"]
    assert code(s3.put_object, **at, Body=b"3", IfMatch=first) == "PreconditionFailed"
    assert code(s3.put_object, Bucket=BUCKET, Key="none", Body=b"", IfMatch=first) == "NoSuchKey"
    head = s3.head_object(**at)
    listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"][0]
    assert [head["ETag"], listed["ETag"], s3.get_object(**at)["ETag"]] == [second] * 3, (head, listed)
    assert head["LastModified"] == listed["LastModified"], (head, listed)
    assert code(s3.get_object, **at, IfMatch=first) == "PreconditionFailed"
    assert code(s3.get_object, **at, IfNoneMatch=second) == "304"
    assert code(s3.delete_object, **at, IfMatch=first) == "PreconditionFailed"
    upload = s3.create_multipart_upload(**at)["UploadId"]
    tag = s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    whole = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag}]}}
    assert code(s3.complete_multipart_upload, **at, **whole, IfNoneMatch="*") == "PreconditionFailed"
    s3.complete_multipart_upload(**at, **whole, IfMatch=second)
    s3.delete_object(**at)


def uploads(s3):
    at = {"Bucket": BUCKET, "Key": "lake/test/t/g1/big"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    tags = [
        s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        for number, body in [(1, b"x" * PART), (2, b"y")]
    ]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    listed = s3.list_parts(**at, UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["ETag"]) for part in listed] == [(1, tags[0]), (2, tags[1])]
    assert [found["Key"] for found in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == [at["Key"]]
    assert code(s3.get_object, **at) == "NoSuchKey"
    few = {"Parts": [parts[1], parts[0]]}
    assert code(s3.complete_multipart_upload, **at, UploadId=upload, MultipartUpload=few) != "no error"
    s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**at)["ContentLength"] == PART + 1
    other = s3.create_multipart_upload(**at)["UploadId"]
    s3.abort_multipart_upload(**at, UploadId=other)
    assert code(s3.abort_multipart_upload, **at, UploadId=other) == "NoSuchUpload"


def tables(glue):
    assert code(glue.get_database, Name="d") == "EntityNotFoundException"
    glue.create_database(DatabaseInput={"Name": "d"})
    assert code(glue.create_database, DatabaseInput={"Name": "d"}) == "AlreadyExistsException"
    table = {"Name": "t", "StorageDescriptor": {"Location": "s3://b/lake/d/t/g1", "Columns": [{"Name": "a", "Type": "int"}]}}
    glue.create_table(DatabaseName="d", TableInput=table)
    version = glue.get_table(DatabaseName="d", Name="t")["Table"]["VersionId"]
    glue.update_table(DatabaseName="d", TableInput=table, VersionId=version, SkipArchive=True)
    again = code(glue.update_table, DatabaseName="d", TableInput=table, VersionId=version)
    assert again == "ConcurrentModificationException", again
    for number in range(101):
        glue.create_table(DatabaseName="d", TableInput={"Name": f"many_{number:03}"})
    pages = list(glue.get_paginator("get_tables").paginate(DatabaseName="d"))
    names = [found["Name"] for page in pages for found in page["TableList"]]
    assert len(pages) == 2 and len(names) == 102 and names == sorted(names), names
    assert code(client("glue", "eu-west-1").get_database, Name="d") == "EntityNotFoundException"
    partition = {"Values": ["1"], "StorageDescriptor": {"Location": "s3://b/p"}}
    create = dict(DatabaseName="d", TableName="t", PartitionInputList=[partition])
    assert glue.batch_create_partition(**create).get("Errors", []) == []
    assert glue.batch_create_partition(**create)["Errors"][0]["ErrorDetail"]["ErrorCode"] == "AlreadyExistsException"
    assert len(glue.get_partitions(DatabaseName="d", TableName="t")["Partitions"]) == 1
    glue.delete_table(DatabaseName="d", Name="t")
    assert code(glue.delete_table, DatabaseName="d", Name="t") == "EntityNotFoundException"


def main():
    s3, glue, sts = client("s3"), client("glue"), client("sts")
    objects(s3)
    conditions(s3)
    uploads(s3)
    tables(glue)
    role = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session")
    assert role["Credentials"]["Expiration"].year == 2099


if __name__ == "__main__":
    main()
