"""schemathesis makes requests from /openapi.json and finds nothing to complain of."""
import json
import subprocess
import sys

server = subprocess.Popen(
    ["node", "serve-embeddings.ts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
port = json.loads(server.stdout.readline())["port"]
result = subprocess.run(
    [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"http://127.0.0.1:{port}/openapi.json",
        "--checks=all",
        # A schema cannot say that N numbers must be divisible by a width, nor which model's name exists.
        "--exclude-checks=positive_data_acceptance",
        "--max-examples=60",
        "--seed=1",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--no-color",
    ]
)
server.stdin.close()
assert server.wait() == 0, "the server met a bug"
sys.exit(result.returncode)
