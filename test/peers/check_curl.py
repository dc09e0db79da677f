"""The deploy guide's curl command signs its request as AWS expects: botocore comes to the same signature."""

import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

GUIDE = Path(__file__).parents[2] / "infra/README.md"
KEY, SECRET, TOKEN, REGION = "AKIDEXAMPLE", "a-secret", "a+token/=", "eu-central-1"
seen = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def signature_of(path, headers, body, port):
    """What botocore makes of the headers that the request says are signed, and what the request claims."""
    pattern = r"AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=(\w{64})"
    credential, names, claimed = re.fullmatch(pattern, headers["authorization"]).groups()
    key, _, region, service, _ = credential.split("/")
    assert (key, region) == (KEY, REGION), credential
    for name in ("host", "x-amz-date", "x-amz-security-token"):
        assert name in names.split(";"), names
    signed = {name: headers[name] for name in names.split(";")}
    request = AWSRequest("POST", f"http://127.0.0.1:{port}{path}", headers=signed, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(KEY, SECRET, TOKEN), service, region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return service, auth.signature(text, request), claimed


blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.S | re.M)
[command] = [block for block in blocks if block.startswith("curl ")]
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
environment = {
    **os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN,
    "AWS_REGION": REGION, "URL": f"http://127.0.0.1:{port}/", "NO_PROXY": "*", "no_proxy": "*",
}
for service in ("execute-api", "lambda"):
    subprocess.run(["bash", "-c", command.replace("execute-api", service)], env=environment, check=True)
    path, headers, body = seen.pop()
    assert urlsplit(path).path == "/v1/score", path
    signed_for, expected, claimed = signature_of(path, headers, body, port)
    assert signed_for == service, signed_for
    assert expected == claimed, f"{service}: botocore signs otherwise"
    print(f"curl: signed for {service} as botocore does")
server.shutdown()
