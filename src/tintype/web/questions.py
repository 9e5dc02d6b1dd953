"""The questions that the control API answers: what would happen to a request, and which sources cost most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tintype.admission.top import Top
from tintype.ports import Clock
from tintype.services.explain import Explain, Explanation
from tintype.services.look import Want
from tintype.web.mounts import Mount, Mounts
from tintype.web.paths import EXPLAIN, TOP
from tintype.web.reply import Request
from tintype.web.served import mounted


class Costly(BaseModel):
    """A source, and what it costs."""

    tenant: str
    source: str = Field(description="Its URL, without what may be secret.")
    ms: float = Field(description="Milliseconds of CPU of workers, lately.")
    over_ms: float = Field(
        description="At most so much of them may have been other sources', who were forgotten for it."
    )


class TopAnswer(BaseModel):
    """The sources that cost most, the dearest first."""

    half_life_s: float = Field(description="Seconds after which a cost counts half.")
    sources: list[Costly]


def questions(
    explain: Explain,
    want: Callable[[Mount, str, Request], Want],
    mounts: Callable[[], Mounts],
    top: Top[tuple[str, str]],
    clock: Clock,
    path_prefix: str = "",
) -> APIRouter:
    """Return their routes. `want` reads a request at a mount; `mounts` and `path_prefix` as control_api has them."""
    router = APIRouter()

    @router.get(EXPLAIN)
    async def explain_url(
        url: Annotated[str, Query(max_length=8192, description="Path (or whole URL) of an image, signed.")],
        accept: Annotated[str, Query(max_length=1024, description="The client's Accept header.")] = "",
        purpose: Annotated[str, Query(max_length=64, description="Its Sec-Purpose header: prefetch.")] = "",
    ) -> Explanation:
        """Tell what would happen to a request now, without fetching or rendering anything."""
        mount, rest, query = mounted(url, mounts(), path_prefix)
        headers = {b"accept": accept.encode(), b"sec-purpose": purpose.encode()}
        given = {name: value for name, value in headers.items() if value}
        return await explain(want(mount, rest, Request("GET", rest + query, given, b"", clock.monotonic(), (b"", b""))))

    @router.get(TOP)
    async def costs_most(most: Annotated[int, Query(ge=1, le=200)] = 20) -> TopAnswer:
        """Return the sources whose images took most of this node's workers lately."""
        return TopAnswer(
            half_life_s=top.half_life_s,
            sources=[
                Costly(tenant=tenant, source=source, ms=round(cost.amount, 1), over_ms=round(cost.over, 1))
                for (tenant, source), cost in top.first(most, clock.monotonic())
            ],
        )

    return router
