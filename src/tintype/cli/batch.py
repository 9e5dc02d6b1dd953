"""Files through the engine: what `tintype transform` does to each, without a server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tintype.admission.asker import Asker, Lane
from tintype.cli.files import readable, write_whole
from tintype.config import TenantConfig
from tintype.core.errors import BadRequest, Misconfigured, SourceTooLarge, TintypeError, UnsupportedImage
from tintype.core.foreign import foreign_name
from tintype.core.formats import FACTS, Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Pipeline
from tintype.core.plan import Overlay, Plan
from tintype.core.resolve import resolve
from tintype.core.sniff import HEAD_BYTES, sniff
from tintype.core.tenant import StandIn
from tintype.dialects.imgproxy import Imgproxy
from tintype.dialects.imgproxy.sign import UNSIGNED
from tintype.ports import Engine

# A batch has no client that waits: a file gets as long as a slow encoder may need.
FILE_DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Task:
    """A file, and where its result goes: `target` without suffix, or with `exact` as it is. `walked`: found in a folder."""

    source: Path
    target: Path
    exact: bool = False
    walked: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: sizes in bytes, or why there is no result; neither when it is no image and was skipped."""

    source: Path
    target: Path | None = None
    size_in: int = 0
    size_out: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """An input of the engine."""

    fd: int
    size: int
    format: Format
    digest: str


def tasks(sources: list[Path], out: Path) -> Iterator[Task]:
    """Yield what there is to do; folders are walked, and keep their shape below `out`."""
    exact = bool(out.suffix) and len(sources) == 1 and not sources[0].is_dir() and not out.is_dir()
    for source in sources:
        if source.is_dir():
            for file in sorted(p for p in source.rglob("*") if p.is_file()):
                yield Task(file, out / file.relative_to(source).with_suffix(""), walked=True)
        else:
            yield Task(source, out if exact else out / source.stem, exact)


def pipeline_of(options: str, tenant: TenantConfig, format: str) -> Pipeline:
    """Read an option string as it would stand in a URL.

    Raises:
        BadRequest: as the dialect does.
    """
    settings = replace(
        tenant.imgproxy, keys=(), salts=(), key_ids=(), allowed_sources=(), base_url="", url_replacements=()
    )
    extension = f"@{format}" if format else ""
    parts = (UNSIGNED, options.strip("/"), f"plain/local:///file{extension}")
    return Imgproxy(settings).parse("".join(f"/{part}" for part in parts if part), now=time.time()).pipeline


class Batch:
    """Runs one pipeline over files. An error of a file is its outcome, so that the others go on."""

    def __init__(
        self, engine: Engine, pipeline: Pipeline, tenant: TenantConfig, source_bytes: int, *, overwrite: bool
    ) -> None:
        self._engine = engine
        self._pipeline = pipeline
        self._tenant = tenant.tenant
        self._source_bytes = source_bytes
        self._overwrite = overwrite
        self._taken: set[Path] = set()

    async def run(self, task: Task) -> Outcome:
        """Render one file."""
        try:
            if task.walked and _is_foreign(task.source):
                return Outcome(task.source)
            return await self._render(task)
        except TintypeError as error:
            return Outcome(task.source, error=str(error))
        except OSError as error:
            return Outcome(task.source, error=error.strerror or str(error))

    async def _render(self, task: Task) -> Outcome:
        with ExitStack() as stack:
            source = _open(stack.enter_context(task.source.open("rb")), self._source_bytes)
            info = await self._engine.probe(
                source.fd,
                source.size,
                source.format,
                asker=self._asker(),
                digest=source.digest,
                source_pixels=self._tenant.policy.source_pixels,
            )
            plan = resolve(self._pipeline, info, Offer(), self._tenant.policy)
            target = self._target(task, plan)
            inputs = [source]
            if any(isinstance(step, Overlay) for step in plan.steps) or plan.rest:
                inputs += self._watermark(stack)
            body = await self._execute(inputs, plan)
            await asyncio.to_thread(write_whole, target, body)
            return Outcome(task.source, target, source.size, len(body))

    async def _execute(self, inputs: list[Opened], plan: Plan) -> bytes:
        done = await self._engine.run(
            [(one.fd, one.size, one.format) for one in inputs],
            [plan],
            asker=self._asker(),
            digest=inputs[0].digest,
        )
        return done.bodies[0]

    def _asker(self) -> Asker:
        return Asker(self._tenant.name, lane=Lane.JOB, deadline=time.monotonic() + FILE_DEADLINE_S)

    def _watermark(self, stack: ExitStack) -> list[Opened]:
        watermark = self._tenant.watermark
        if not watermark:
            return []
        return [_open(stack.enter_context(_stand_in(watermark)), self._source_bytes)]

    def _target(self, task: Task, plan: Plan) -> Path:
        """Return where the result goes; two sources of one stem (cat.png, cat.jpg) get names of their own.

        Raises:
            BadRequest: there is a file already.
        """
        suffix = f".{FACTS[plan.save.format].extension}"
        target = task.target if task.exact else task.target.with_name(task.target.name + suffix)
        if target in self._taken:
            target = target.with_name(f"{task.source.stem}-{task.source.suffix.lstrip('.')}{suffix}")
        if target.exists() and not self._overwrite:
            raise BadRequest(f"{target} exists; --overwrite replaces it")
        self._taken.add(target)
        return target


def _stand_in(image: StandIn) -> BinaryIO:
    if image.data:
        return readable(base64.b64decode(image.data))
    if image.path:
        return Path(image.path).open("rb")
    raise Misconfigured("transform fetches nothing: give the watermark as data or path, not as url")


def _is_foreign(source: Path) -> bool:
    with source.open("rb") as file:
        return sniff(file.read(HEAD_BYTES)) is None


def _open(file: BinaryIO, source_bytes: int) -> Opened:
    size = os.fstat(file.fileno()).st_size
    if size > source_bytes:
        raise SourceTooLarge(f"the file has {size} bytes; limits.source_bytes allows {source_bytes}")
    head = os.pread(file.fileno(), HEAD_BYTES, 0)
    found = sniff(head)
    if found is None:
        raise UnsupportedImage(f"not an image that can be shown: {foreign_name(head) or 'unknown bytes'}")
    return Opened(file.fileno(), size, found, _digest(file))


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
