"""Settings of coordination: what is wrong is named, what is of no use is said, and no password is shown."""

from __future__ import annotations

import pytest

from tests.cache.support import Seen
from tests.metrics import total
from tintype.config import load
from tintype.coordination.alone import AloneLeads
from tintype.coordination.assemble import open_coordination
from tintype.coordination.leads import ValkeyLeads
from tintype.coordination.settings import CoordinationSettings
from tintype.core.errors import Misconfigured
from tintype.telemetry.clock import SystemClock

URL = "valkey://node:hush-hush@127.0.0.1:1/0"


def given(**settings: str) -> dict[str, str]:
    return {f"coordination.{name}": value for name, value in settings.items()}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"valkey_url": "http://node:hush-hush@h"}, "valkey://, valkeys://, redis://, rediss://, unix://"),
        ({"valkey_url": "hush-hush"}, "begins with none of"),
        ({"prefix": "a b"}, "coordination.prefix: 'a b'"),
        ({"prefix": ""}, "letters, digits"),
        ({"timeout_s": "0"}, "coordination.timeout_s"),
        ({"connections": "0"}, "coordination.connections"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load(given(**settings), env={})
    assert said in str(refused.value)
    assert "hush-hush" not in str(refused.value)


def test_nodes_that_share_no_results_are_told_that_they_share_no_renders() -> None:
    said = [w for w in load(given(valkey_url=URL), env={}).warnings if "cache.object_url" in w]
    assert len(said) == 1
    assert "hush-hush" not in said[0]
    shared = load({**given(valkey_url=URL), "cache.object_url": "file:///tmp/shared"}, env={})
    assert not [w for w in shared.warnings if "cache.object_url" in w]


def test_the_url_is_a_secret() -> None:
    loaded = load(given(valkey_url="env:VALKEY"), env={"VALKEY": URL})
    assert loaded.config.coordination.valkey_url == URL
    assert "hush-hush" not in repr(loaded.config.coordination)
    (setting,) = [one for one in loaded.settings if one.name == "coordination.valkey_url"]
    assert setting.secret


@pytest.mark.parametrize(("url", "shared"), [("", True), ("", False), (URL, False)])
def test_a_node_leads_everything_where_there_is_nobody_to_share_with(url: str, shared: bool) -> None:
    seen = Seen()
    opened = open_coordination(CoordinationSettings(valkey_url=url), shared=shared, clock=SystemClock(), telemetry=seen)
    assert isinstance(opened.leads, AloneLeads)
    assert (opened.accounts is not None) is bool(url)
    assert total(seen.registry, "tintype_coordination_up", {}) == (0 if url else 1)


def test_with_results_in_common_leads_are_taken_in_valkey() -> None:
    settings = CoordinationSettings(valkey_url=URL)
    opened = open_coordination(settings, shared=True, clock=SystemClock(), telemetry=Seen())
    assert isinstance(opened.leads, ValkeyLeads)
