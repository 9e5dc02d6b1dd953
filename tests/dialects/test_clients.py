"""URLs that client libraries of imgproxy build are verified and mean what their callers meant.

The lines are recorded by examples/clients/record.mjs and record.py; see the README beside them.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.conftest import ROOT
from tintype.core.errors import BadRequest
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

NOW = 1_800_000_000.0
SETTINGS: dict[str, Any] = {
    "presets": (("thumb", "rs:fill:64:64"), ("sharp", "sh:0.5")),
    "allow_security_options": True,
}
UNSIGNED = Imgproxy(ImgproxySettings(**SETTINGS))
SIGNED = Imgproxy(
    ImgproxySettings(
        keys=("943b421c9eb07c830af81030552c86009268de4e532ba2ee2eab8247c6da0881",),
        salts=("520f986b998545b4785e0defbc4f3c1203f22de2374a3d53cb7a7fe9fea309c5",),
        source_key="1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1",
        **SETTINGS,
    )
)


def recorded() -> list[dict[str, Any]]:
    files = [ROOT / "examples" / "clients" / name for name in ("javascript.jsonl", "python.jsonl")]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def name_of(line: dict[str, Any]) -> str:
    return f"{line['client']} {json.dumps(line['call'])[:60]}"


@pytest.mark.parametrize("line", recorded(), ids=name_of)
def test_url_of_a_client_means_what_it_should(line: dict[str, Any]) -> None:
    dialect = UNSIGNED if line["url"].startswith("/unsafe/") else SIGNED
    if line["means"] is None:
        with pytest.raises(BadRequest):
            dialect.parse(line["url"], NOW)
        return
    source = base64.urlsafe_b64encode(line["means"]["source"].encode()).decode()
    options = line["means"]["options"]
    meant = UNSIGNED.parse(f"/unsafe/{options}/{source}" if options else f"/unsafe/{source}", NOW)
    asked = dialect.parse(line["url"], NOW)
    assert (asked.pipeline, asked.delivery) == (meant.pipeline, meant.delivery)


def test_every_client_has_lines_that_work() -> None:
    works = {line["client"] for line in recorded() if line["means"]}
    assert works >= {
        "@imgproxy/imgproxy-js-core",
        "@imgproxy/imgproxy-node",
        "imgproxy",
        "@bitpatty/imgproxy-url-builder",
        "pyimgproxy",
        "mkimgproxy",
    }
