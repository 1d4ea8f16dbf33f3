"""Syncs with PyAirbyte, as its users write them: a source in Python, and the program as the destination.

Reads one job a line from stdin, as JSON, and answers each with the number of records that were sent of each stream, or
with what went wrong:
{"strategy": "append", "users": 20, "full": true, "kill": {"states": 1}, "config": {…}}
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Before the import: neither the registry of connectors nor telemetry is asked.
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

# It prints its progress, and stdout is ours.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import airbyte as ab  # noqa: E402
from airbyte.caches import DuckDBCache  # noqa: E402

# Runs the program, and kills it after so many lines of input, or once it has printed so many states.
KILLER = """#!{python}
import subprocess, sys, threading
states, lines = {states}, {lines}
program = subprocess.Popen([{program!r}, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def feed():
    for number, line in enumerate(sys.stdin.buffer, 1):
        if number == lines:
            program.kill()
            return
        try:
            program.stdin.write(line)
            program.stdin.flush()
        except BrokenPipeError:
            return
    program.stdin.close()
threading.Thread(target=feed, daemon=True).start()
for line in program.stdout:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    states -= b'"type":"STATE"' in line
    if states == 0:
        program.kill()
        break
sys.exit(program.wait() and 1)
"""


def killer(folder, program, kill):
    path = Path(folder, "killer")
    text = KILLER.format(python=sys.executable, program=program, states=kill.get("states", -1), lines=kill.get("lines", -1))
    path.write_text(text)
    path.chmod(0o755)
    return path


def sync(program, folder, job):
    if "kill" in job:
        program = killer(folder, program, job["kill"])
    destination = ab.get_destination("destination-aws-datalake", config=job["config"], local_executable=Path(program))
    source = ab.get_source(
        "source-faker",
        local_executable=Path(sys.executable).with_name("source-faker"),
        config={"count": job["users"], "seed": 1, "records_per_slice": job.get("slice", 1000), "parallelism": 1},
        streams=["users", "products"],
    )
    result = destination.write(
        source,
        cache=False,
        state_cache=DuckDBCache(db_path=Path(folder, f"{job['strategy']}.duckdb")),
        write_strategy=job["strategy"],
        force_full_refresh=job.get("full", False),
    )
    return {"sent": dict(result._progress_tracker.stream_read_counts)}


def main():
    folder = tempfile.mkdtemp()
    try:
        for line in sys.stdin:
            try:
                answer = sync(sys.argv[1], folder, json.loads(line))
            except Exception as error:  # whatever PyAirbyte makes of it
                answer = {"failed": repr(error)}
            print(json.dumps(answer), file=answers, flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
