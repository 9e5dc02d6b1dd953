"""A real S3 server (versitygw) on loopback, and the two signed requests that obstore has no words for."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from obstore.store import S3Store

from tests.conftest import tool

ACCESS, SECRET = "tintype-access", "tintype-secret-key"


class Gateway:
    """A server over a folder. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def store(self, bucket: str) -> S3Store:
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=ACCESS,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def make_bucket(self, bucket: str, *, versioned: bool = False) -> None:
        assert self.signed("PUT", f"/{bucket}") == 200
        if versioned:
            body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            assert self.signed("PUT", f"/{bucket}", "versioning=", body) == 200

    def signed(self, method: str, path: str, query: str = "", body: bytes = b"") -> int:
        """Send a request with a version 4 signature; returns its status."""
        now = dt.datetime.now(dt.UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        host, digest = f"127.0.0.1:{self.port}", hashlib.sha256(body).hexdigest()
        names = "host;x-amz-content-sha256;x-amz-date"
        signed = f"host:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{stamp}\n"
        canonical = f"{method}\n{path}\n{query}\n{signed}\n{names}\n{digest}"
        scope = f"{day}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + SECRET.encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        credential = f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"x-amz-date": stamp, "x-amz-content-sha256": digest, "authorization": credential}
        connection.request(method, path + (f"?{query}" if query else ""), body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def __enter__(self) -> Self:
        data, versions, facts = (self.folder / name for name in ("data", "versions", "facts"))
        for path in (data, versions, facts):
            path.mkdir(parents=True)
        program = tool("versitygw", "go install github.com/versity/versitygw/cmd/versitygw@latest")
        errors = (self.folder / "errors").open("wb")
        self._process = subprocess.Popen(
            [program, "--port", f"127.0.0.1:{self.port}", "--access", ACCESS, "--secret", SECRET, "--region", "us-east-1",
             "--quiet", "posix", "--versioning-dir", str(versions), "--sidecar", str(facts), str(data)],
            stdout=subprocess.DEVNULL, stderr=errors, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        errors.close()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise RuntimeError((self.folder / "errors").read_text())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
