"""schemathesis makes requests from /openapi.json and finds nothing to complain of."""
import json
import os
import pathlib
import re
import subprocess
import sys

folder = pathlib.Path(sys.argv[1])
server = subprocess.Popen(
    ["node", "serve-embeddings.ts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
expected = json.loads(server.stdout.readline())
config = folder / "schemathesis.toml"
# Too many samples are refused with 413, which is not among the statuses that schemathesis knows for that.
config.write_text(
    """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
"""
)
result = subprocess.run(
    [
        sys.executable,
        "-m",
        "schemathesis.cli",
        f"--config-file={config}",
        "run",
        f"http://127.0.0.1:{expected['port']}/openapi.json",
        "--max-examples=60",
        "--seed=1",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--no-color",
    ],
    env={
        **os.environ,
        "SCHEMATHESIS_HOOKS": "schema_formats",
        "PYTHONPATH": os.path.dirname(os.path.abspath(__file__)),
        "HIMPLOS_WIDTH": str(expected["width"]),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
# Its last line looks like that of pytest after no test.
print(re.sub(r"^=+ (.*) =+\s*\Z", r"schemathesis: \1", result.stdout, flags=re.MULTILINE))
server.stdin.close()
assert server.wait() == 0, "the server met a bug"
sys.exit(result.returncode)
