"""Syncs a source into the lake with PyAirbyte: pip install airbyte airbyte-source-faker destination-aws-datalake

CONFIG names the configuration file (config.json beside this file, say), whose settings PyAirbyte passes on.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import airbyte as ab

destination = ab.get_destination(
    "destination-aws-datalake",
    config=json.loads(Path(os.environ["CONFIG"]).read_text()),
    local_executable=Path(shutil.which("destination-aws-datalake")),
)
source = ab.get_source(
    "source-faker",
    local_executable=Path(sys.executable).with_name("source-faker"),
    config={"count": 100, "seed": 1},
    streams=["users", "products"],
)
destination.write(source, cache=False, write_strategy="append")
