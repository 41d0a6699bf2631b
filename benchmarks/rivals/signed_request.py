"""Writes a script for wrk that posts one request, signed once, with the headers that fanout sends.

python signed_request.py INPUT ENDPOINT URL SCRIPT BODY     (the keys: AWS_* in the environment)
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from fanout.aws.http.sigv4 import Keys, Signer, Template

PREFIX = "x-amzn-sagemaker-"


def main() -> None:
    source, endpoint, url, script, body = sys.argv[1:]
    with Path(source).open("rb") as file:
        payload = next(file).rstrip(b"\n")
    Path(body).write_bytes(payload)
    template = Template(
        "POST",
        host=url.removeprefix("http://"),
        path=f"/endpoints/{endpoint}/async-invocations",
        headers={f"{PREFIX}content-type": "application/json"},
        varying=[f"{PREFIX}filename", f"{PREFIX}inference-id", f"{PREFIX}s3outputpathextension"],
    )
    keys = Keys(
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        os.environ["AWS_SESSION_TOKEN"],
    )
    head = Signer(keys, region=os.environ["AWS_REGION"], service="sagemaker").head(
        template,
        ("0.0", "aaaaaaaaaa.0.0.1", "fanout/aaaaaaaaaa/00"),
        payload=hashlib.sha256(payload).hexdigest(),
        length=len(payload),
        now=time.time(),
    )
    request, *headers = head.decode().strip().split("\r\n")
    lines = [f'wrk.method = "POST"\nwrk.path = "{request.split()[1]}"']
    for header in headers:
        name, _, value = header.partition(": ")
        if name != "content-length":  # wrk counts for itself
            lines.append(f'wrk.headers["{name}"] = [[{value}]]')
    lines.append(f'local file = io.open("{body}", "rb")\nwrk.body = file:read("*a")\nfile:close()')
    Path(script).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
