"""Writes fixtures/aws/providers.json: which provider of credentials wins in botocore, setting by setting.

Run with a Python that has boto3: python tests/botocore/providers.py
In the settings {dir} is a folder with the files, {server} an HTTP server that plays container and instance.
"""
import http.server
import json
import os
import pathlib
import tempfile
import threading
import time

import botocore.session

KEYS = "aws_access_key_id = AKID\naws_secret_access_key = s\n"
ENV = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
ROLE = "role_arn = arn:aws:iam::123456789012:role/r\n"
WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "{dir}/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/w"}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/container"}
INSTANCE = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}"}
PROCESS = "credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"s\"}'\n"

# name, environment, config file, credentials file
SETTINGS = [
    ("nothing at all", {}, "", ""),
    ("keys in the environment", ENV, "", ""),
    ("keys in the environment and in a profile", ENV, "[default]\n" + KEYS, "[default]\n" + KEYS),
    ("keys in the environment and a role in the profile", ENV, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + KEYS, ""),
    ("an access key without its secret", {"AWS_ACCESS_KEY_ID": "AKID"}, "", "[default]\n" + KEYS),
    ("an empty access key in the environment", {"AWS_ACCESS_KEY_ID": ""}, "", "[default]\n" + KEYS),
    ("keys in the credentials file", {}, "", "[default]\n" + KEYS),
    ("keys of another profile", {"AWS_PROFILE": "other"}, "", "[other]\n" + KEYS),
    ("a profile by the older variable", {"AWS_DEFAULT_PROFILE": "other"}, "[profile other]\n" + KEYS, ""),
    ("a profile that is nowhere", {"AWS_PROFILE": "nowhere"}, "", "[default]\n" + KEYS),
    ("keys of a profile that is not chosen", {}, "[profile other]\n" + KEYS, "[other]\n" + KEYS),
    ("a section of the config file that is no profile", {"AWS_EC2_METADATA_DISABLED": "true"}, "[other]\n" + KEYS, ""),
    ("keys in the config file", {}, "[default]\n" + KEYS, ""),
    ("keys in both files", {}, "[default]\n" + KEYS, "[default]\n" + KEYS),
    ("a process", {}, "[default]\n" + PROCESS, ""),
    ("a process beside keys in the config file", {}, "[default]\n" + PROCESS + KEYS, ""),
    ("a process beside keys in the credentials file", {}, "[default]\n" + PROCESS, "[default]\n" + KEYS),
    ("a process that fails", {}, "[default]\ncredential_process = false\n" + KEYS, ""),
    ("a process of another version", {}, "[default]\ncredential_process = printf '{\"Version\":2}'\n", ""),
    ("half a pair in the credentials file", {}, "", "[default]\naws_access_key_id = AKID\n"),
    ("half a pair in the config file", {}, "[default]\naws_access_key_id = AKID\n", ""),
    ("a role with a source profile", {}, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + KEYS, ""),
    ("a role whose source is in the credentials file", {}, "[default]\n" + ROLE + "source_profile = a\n", "[a]\n" + KEYS),
    ("a role in the credentials file", {}, "", "[default]\n" + ROLE + "source_profile = a\n[a]\n" + KEYS),
    ("a role that names itself and has keys", {}, "[default]\n" + ROLE + "source_profile = default\n" + KEYS, ""),
    ("a role that names itself and has none", {}, "[default]\n" + ROLE + "source_profile = default\n", ""),
    ("a role of a role of keys", {}, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + ROLE + "source_profile = b\n[profile b]\n" + KEYS, ""),
    ("roles in a circle", {}, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + ROLE + "source_profile = default\n", ""),
    ("a role over a process", {}, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + PROCESS, ""),
    ("a role over a web identity", {}, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + ROLE + "web_identity_token_file = {dir}/token\n", ""),
    ("a role over a profile without credentials", {}, "[default]\n" + ROLE + "source_profile = a\n[profile a]\nregion = x\n", ""),
    ("a role over a profile that is nowhere", {}, "[default]\n" + ROLE + "source_profile = nowhere\n", ""),
    ("a role with two sources", {}, "[default]\n" + ROLE + "source_profile = a\ncredential_source = Environment\n[profile a]\n" + KEYS, ""),
    ("a role without a source", {}, "[default]\n" + ROLE, "[default]\n" + KEYS),
    ("a role over an empty environment", {}, "[default]\n" + ROLE + "credential_source = Environment\n", ""),
    ("a role over a container", CONTAINER, "[default]\n" + ROLE + "credential_source = EcsContainer\n", ""),
    ("a role over an instance", INSTANCE, "[default]\n" + ROLE + "credential_source = Ec2InstanceMetadata\n", ""),
    ("a role over an unknown source", {}, "[default]\n" + ROLE + "credential_source = Moon\n", ""),
    ("a web identity", WEB, "", ""),
    ("a web identity and keys in the environment", {**WEB, **ENV}, "", ""),
    ("a web identity and keys in a profile", WEB, "", "[default]\n" + KEYS),
    ("a web identity and a role in the profile", WEB, "[default]\n" + ROLE + "source_profile = a\n[profile a]\n" + KEYS, ""),
    ("a web identity without a role", {"AWS_WEB_IDENTITY_TOKEN_FILE": "{dir}/token"}, "", "[default]\n" + KEYS),
    ("a web identity in the profile", {}, "[default]\n" + ROLE + "web_identity_token_file = {dir}/token\n", ""),
    ("a container", CONTAINER, "", ""),
    ("a container and keys in a profile", CONTAINER, "[default]\n" + KEYS, ""),
    ("a container and an instance", {**CONTAINER, **INSTANCE}, "", ""),
    ("a container that refuses", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/forbidden"}, "", ""),
    ("a container on a foreign host", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/"}, "", ""),
    ("an instance", INSTANCE, "", ""),
    ("an instance and a profile without credentials", {**INSTANCE, "AWS_PROFILE": "a"}, "[profile a]\nregion = x\n", ""),
    ("an instance without a role", {**INSTANCE, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}/bare"}, "", ""),
    ("an instance that is not to be asked", {**INSTANCE, "AWS_EC2_METADATA_DISABLED": "true"}, "", ""),
    ("a config file that cannot be parsed", {}, "[default\n" + KEYS, ""),
]


class Stand(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        self.say(200, "token")

    def do_GET(self):
        credentials = {
            "Code": "Success",
            "AccessKeyId": "ASIA",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        roles = "/latest/meta-data/iam/security-credentials/"
        answers = {"/container": json.dumps(credentials), roles: "r", roles + "r": json.dumps(credentials)}
        answer = answers.get(self.path)
        self.say(200 if answer else 404, answer or "")

    def say(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def winner(folder, environment):
    os.environ.clear()
    os.environ.update(environment)
    os.environ.update(
        PATH="/usr/bin:/bin",
        HOME=str(folder),
        AWS_CONFIG_FILE=f"{folder}/config",
        AWS_SHARED_CREDENTIALS_FILE=f"{folder}/credentials",
    )
    try:
        credentials = botocore.session.Session().get_credentials()
    except Exception:
        return "error"
    return credentials.method if credentials else "none"


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stand)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    time.sleep = lambda _: None  # between attempts at the container
    cases = []
    for name, environment, config, credentials in SETTINGS:
        environment = {"AWS_EC2_METADATA_DISABLED": "true", **environment}
        case = {"name": name, "environment": environment, "config": config, "credentials": credentials}
        with tempfile.TemporaryDirectory() as folder:
            fill = lambda text: text.replace("{dir}", folder).replace("{server}", url)
            for file, text in [("config", config), ("credentials", credentials), ("token", "t")]:
                pathlib.Path(folder, file).write_text(fill(text))
            filled = {key: fill(value) for key, value in environment.items()}
            case["winner"] = winner(folder, filled)
        cases.append(case)
    root = pathlib.Path(__file__).parents[2]
    (root / "fixtures/aws/providers.json").write_text(json.dumps(cases, indent=1) + "\n")


main()
