"""Types and sizes of results against what imgproxy 4.0.12 answered for the same URLs (spec/imgproxy_cases.tsv).

Headers alone are read, so cases that trim are left out here; the whole server is compared in tests/e2e.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest

from tintype.core.formats import FACTS
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import Trim
from tintype.core.policy import Policy, ShrinkTable
from tintype.core.resolve import resolve
from tintype.core.sniff import HEAD_BYTES, sniff
from tintype.dialects.imgproxy.dialect import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.worker import codecs

pytestmark = pytest.mark.filterwarnings("ignore")  # libraries' own, about broken files


@cache
def probed(path: Path) -> ImageInfo:
    data = memoryview(path.read_bytes())
    kind = sniff(bytes(data[:HEAD_BYTES]))
    assert kind is not None, path
    return codecs.info(kind, data)


@pytest.mark.parametrize("table", ShrinkTable)
def test_types_and_sizes_are_those_of_imgproxy(spec: Path, corpus: Path, table: ShrinkTable) -> None:
    dialect, policy = Imgproxy(ImgproxySettings()), Policy(shrink_table=table)
    with (spec / "imgproxy_cases.tsv").open(newline="") as lines:
        cases = [row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if row["status"] == "200"]
    compared, differences = 0, []
    for case in cases:
        asked = dialect.parse("/unsafe" + case["path"], 0)
        if asked.delivery.raw or asked.pipeline.find(Trim):
            continue
        info = probed(corpus / asked.pipeline.source.url.removeprefix("local:///"))
        plan = resolve(asked.pipeline, info, Offer(), policy)
        got = (FACTS[plan.save.format].mime, plan.width, plan.height)
        compared += 1
        if got != (case["content_type"], int(case["width"]), int(case["height"])) and not plan.passthrough:
            differences.append((case["path"], *got))
    assert compared > 500
    assert not differences
