"""A real S3 server for the object tier."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import tool

pytest.register_assert_rewrite("tests.cache.conformance")

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Run versitygw; gives its endpoint and the folder whose folders are buckets."""
    program = tool("versitygw", "go install github.com/versity/versitygw/cmd/versitygw@latest")
    folder = tmp_path_factory.mktemp("s3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = ["--access", _ENVIRONMENT["AWS_ACCESS_KEY_ID"], "--secret", _ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]]
    facts = tmp_path_factory.mktemp("s3-facts")
    command = [program, *keys, "--port", f"127.0.0.1:{port}", "posix", "--sidecar", str(facts), str(folder)]
    with (facts.parent / "versitygw.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        assert server.poll() is None, "the S3 server ended at once; see versitygw.log"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def bucket(s3_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty prefix in a bucket, with the environment set to reach it."""
    endpoint, folder = s3_server
    (folder / "results").mkdir(exist_ok=True)
    for name, value in {**_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    return f"s3://results/{os.urandom(6).hex()}"
