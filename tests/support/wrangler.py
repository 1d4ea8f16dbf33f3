"""Reads a table with awswrangler, as the Python connector's users do: takes JSON of where, and prints the ids by partition.

The partitions are those that Glue tells; one of them is asked for by a filter too.
"""

import json
import sys

import awswrangler
import boto3


def main():
    asked = json.load(sys.stdin)
    awswrangler.config.s3_endpoint_url = asked["endpoint"]
    awswrangler.config.glue_endpoint_url = asked["endpoint"]
    session = boto3.Session(
        region_name="us-east-1",
        aws_access_key_id=asked["key"],
        aws_secret_access_key=asked["secret"],
    )

    def read(**more):
        return awswrangler.s3.read_parquet_table(
            database=asked["database"], table=asked["table"], boto3_session=session, **more
        )

    frame = read()
    key = asked["key_column"]
    ids = {str(value): sorted(int(id) for id in rows["id"]) for value, rows in frame.groupby(key, observed=True)}
    first = sorted(ids)[0]
    filtered = read(partition_filter=lambda values: values[key] == first)
    print(
        json.dumps(
            {
                "ids": ids,
                "first": sorted(int(id) for id in filtered["id"]),
                "types": {name: str(of) for name, of in frame.dtypes.items()},
                "countries": sorted(frame["country"].dropna().unique().tolist()),
            }
        )
    )


if __name__ == "__main__":
    main()
