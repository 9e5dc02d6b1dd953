"""A tenant with a small quota on a real node: 429, then 200 again; hits and other tenants are untouched; it can be reloaded."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.e2e.conftest import picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page

TOML = """
[sources]
allow_loopback = true
[engine]
workers = 1
[tenants.small]
prefix = "/small"
trusted_signatures = ["unsafe"]
quota.ms_per_s = {ms_per_s}
quota.burst_s = 1
[tenants.large]
prefix = "/large"
trusted_signatures = ["unsafe"]
"""


def ask(node: Node, origin: Origin, tenant: str, width: int) -> Answer:
    return node.ask(f"/{tenant}/unsafe/w:{width}/plain/{origin.url}/quota.jpg")


def test_a_small_quota_refuses_and_lets_in_again_and_touches_nobody_else(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/quota.jpg"] = Page(picture(seed=90), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path, TOML.format(ms_per_s=1), metrics=True) as node:
        first, refused = ask(node, origin, "small", 50), ask(node, origin, "small", 51)
        assert (first.status, refused.status) == (200, 429)
        assert "t=" + refused.headers["retry-after"] in refused.headers["ratelimit"]
        assert [ask(node, origin, "large", width).status for width in (50, 51, 52)] == [200, 200, 200]
        assert ask(node, origin, "small", 50).body == first.body
        assert node.metric("tintype_quota_refusals_total", tenant="small", mode="refused") == 1
        deadline = time.monotonic() + 120
        while (again := ask(node, origin, "small", 51)).status == 429:
            assert time.monotonic() < deadline, again.headers
            time.sleep(int(again.headers["retry-after"]))
        assert again.status == 200
        assert ask(node, origin, "small", 52).status == 429

        (tmp_path / "tintype.toml").write_text(TOML.format(ms_per_s=0))
        node.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while ask(node, origin, "small", 53).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
