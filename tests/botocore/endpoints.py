"""Writes fixtures/aws/endpoints.tsv: where botocore sends calls, for every region that it knows.

Run with a Python that has boto3: python tests/botocore/endpoints.py
"""
import itertools
import pathlib

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

CALLS = {
    "s3": ("list_objects_v2", {"Bucket": "lake-bucket"}),
    "glue": ("get_database", {"Name": "d"}),
    "lakeformation": ("list_lf_tags", {}),
    "sts": ("get_caller_identity", {}),
}


class Sent(Exception):
    pass


def place(session, service, region, fips, dual_stack, endpoint=None, bucket=None):
    try:
        client = session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id="a",
            aws_secret_access_key="s",
            config=Config(
                use_fips_endpoint=fips,
                use_dualstack_endpoint=dual_stack,
                # As the other SDKs: no global endpoint.
                s3={"us_east_1_regional_endpoint": "regional"},
            ),
        )
    except BotoCoreError:
        return None  # this partition has no such kind of endpoint

    def stop(request, **_):
        raise Sent(request.url.split("?")[0])

    client.meta.events.register("before-send", stop)
    operation, arguments = CALLS[service]
    if bucket:
        arguments = {"Bucket": bucket}
    try:
        getattr(client, operation)(**arguments)
    except Sent as sent:
        return str(sent)
    except BotoCoreError:
        return None


def main():
    session = botocore.session.Session()
    partitions = session.get_data("partitions")["partitions"]
    regions = [
        region
        for partition in partitions
        for region in partition["regions"]
        if not region.endswith("-global")
    ]
    lines = ["service\tregion\tfips\tdual stack\tendpoint\tbucket\turl"]
    switches = list(itertools.product([False, True], repeat=2))
    for region, service, (fips, dual) in itertools.product(regions, CALLS, switches):
        url = place(session, service, region, fips, dual)
        if url:
            flags = ["on" if switch else "off" for switch in (fips, dual)]
            lines.append("\t".join([service, region, *flags, "", "lake-bucket", url]))
    for bucket in ["lake-bucket", "lake.bucket", "a--b", "1bucket", "abc"]:
        for endpoint in ["", "http://127.0.0.1:9000", "https://minio.example:9000/base/"]:
            url = place(session, "s3", "eu-central-1", False, False, endpoint or None, bucket)
            lines.append("\t".join(["s3", "eu-central-1", "off", "off", endpoint, bucket, url]))
    root = pathlib.Path(__file__).parents[2]
    (root / "fixtures/aws/endpoints.tsv").write_text("\n".join(lines) + "\n")


main()
