"""AWS in one process: moto on a free port of loopback, with IAM and signatures enforced.

Prints one JSON line when it is ready (the endpoints and the administrator's keys) and ends when its standard
input closes, so that it cannot outlive the test process that holds the other end, however that one ends.
With an argument, the path of s3s-fs, that one is S3, and knows the administrator alone.
"""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

# Creating the user, the policy and the keys are the only actions that need no signature.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3  # noqa: E402  (the variables above are read at import)
from moto.core.exceptions import JsonRESTError  # noqa: E402
from moto.glue.responses import GlueResponse  # noqa: E402
from moto.lakeformation.models import LakeFormationBackend  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from permissions import heed_resources  # noqa: E402


def heed_versions() -> None:
    """Glue refuses an UpdateTable that names another VersionId than the table's; moto does not look at it."""
    plain, lock = GlueResponse.update_table, threading.Lock()

    def update_table(self):
        with lock:
            wanted = self.parameters.get("VersionId")
            name = self.parameters["TableInput"]["Name"]
            table = self.glue_backend.get_table(self.parameters["DatabaseName"], name)
            if wanted not in (None, table.as_dict()["VersionId"]):
                raise JsonRESTError("ConcurrentModificationException", "Update table failed due to concurrent modifications.")
            return plain(self)

    GlueResponse.update_table = update_table


def resources_without_tags() -> None:
    """Lake Formation answers with no tags where none were put; moto fails."""
    plain = LakeFormationBackend.get_resource_lf_tags

    def get_resource_lf_tags(self, catalog_id, resource):
        try:
            return plain(self, catalog_id, resource)
        except KeyError:
            return [], [], []

    LakeFormationBackend.get_resource_lf_tags = get_resource_lf_tags


def other_s3(program: str, folder: str, key: dict) -> tuple[subprocess.Popen, str]:
    """s3s-fs on a free port, once it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = ["--access-key", key["AccessKeyId"], "--secret-key", key["SecretAccessKey"]]
    place = ["--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen([program, folder, *place, *keys], stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, f"http://127.0.0.1:{port}"
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError("s3s-fs does not listen")


def main() -> None:
    heed_versions()
    resources_without_tags()
    heed_resources()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    iam = boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
    )
    iam.create_user(UserName="administrator")
    iam.put_user_policy(
        UserName="administrator",
        PolicyName="everything",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        ),
    )
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    ready = {"endpoint": endpoint, "s3": endpoint, "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        if len(sys.argv) > 1:
            server, ready["s3"] = other_s3(sys.argv[1], folder, key)
            ending.callback(server.kill)
        print(json.dumps(ready), flush=True)
        sys.stdin.read()
    os._exit(0)  # at once: nothing is worth an orderly end


if __name__ == "__main__":
    main()
