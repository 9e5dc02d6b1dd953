"""Local files: inside the root, and nothing else; changes are seen however they are made."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from tests.sources.conftest import Clock, Desk, Make
from tests.sources.origin import JPEG
from tintype.core.errors import (
    Misconfigured,
    SourceDenied,
    SourceError,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    SourceSlow,
    SourceTooLarge,
)
from tintype.core.limits import Limits
from tintype.ports import Forwarded
from tintype.sources.local import LocalFetcher, open_beneath, open_walking

SETTLED_S = 0.06


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file, a folder, and secrets beside it."""
    root = tmp_path / "root"
    (root / "photos" / "deep").mkdir(parents=True)
    (root / "photos" / "a.jpg").write_bytes(JPEG)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "secret.jpg").write_bytes(b"secret")
    return root


@pytest.fixture
def desk(make: Make, root: Path) -> Desk:
    return make(local_root=str(root))


async def refusal(desk: Desk, path: str) -> type[SourceError]:
    with pytest.raises(SourceError) as caught:
        await desk.bind("local:///" + path)
    return type(caught.value)


async def test_a_file_and_what_is_said_of_it(desk: Desk, root: Path) -> None:
    os.utime(root / "photos" / "a.jpg", (1_700_000_000, 1_700_000_000))
    await asyncio.sleep(SETTLED_S)
    binding, body = await desk.read("local:///photos/a.jpg")
    assert body == JPEG
    assert (binding.content_type, binding.last_modified) == ("image/jpeg", "Tue, 14 Nov 2023 22:13:20 GMT")
    assert binding.etag.startswith('"')
    assert binding.fresh_until <= time.time()


@pytest.mark.parametrize(
    "name",
    [
        "a b.jpg",
        "a%20b.jpg",
        "ä.jpg",
        "a#b.jpg",
        "a+b&c=d;e.jpg",
        "a\\b.jpg",
        "..jpg",
        "...",
        "a\nb.jpg",
        "-rf",
        "a:b.jpg",
    ],
)
async def test_names_are_taken_as_they_stand(desk: Desk, root: Path, name: str) -> None:
    (root / name).write_bytes(JPEG + name.encode())
    assert (await desk.read(f"local:///{name}"))[1] == JPEG + name.encode()


async def test_a_version_is_cut_away_at_the_configured_separator(make: Make, root: Path) -> None:
    (root / "odd?name.jpg").write_bytes(b"GIF89a")
    assert (await make("one", local_root=str(root)).read("local:///photos/a.jpg?v=2"))[1] == JPEG
    assert (await make("two", local_root=str(root), query_separator="").read("local:///odd?name.jpg"))[1] == b"GIF89a"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.jpg",
        "photos/../../secret.jpg",
        "photos/deep/../../../secret.jpg",
        "../root-too/secret.jpg",
        "link.jpg",
        "absolute.jpg",
        "folder/secret.jpg",
        "photos/up/secret.jpg",
        "chain.jpg",
        "loop.jpg",
        "proc/root/etc/passwd",
    ],
)
async def test_nothing_leads_out_of_the_root(desk: Desk, root: Path, path: str) -> None:
    (root / "link.jpg").symlink_to("../secret.jpg")
    (root / "absolute.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "folder").symlink_to("../root-too")
    (root / "photos" / "up").symlink_to("../..")
    (root / "chain.jpg").symlink_to("link.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "proc").symlink_to("/proc/self")
    assert await refusal(desk, path) is SourceDenied


@pytest.mark.parametrize("path", ["photos/../photos/a.jpg", "photos/./a.jpg", "./photos/a.jpg", "photos/deep/../a.jpg"])
async def test_paths_say_where_the_file_is(desk: Desk, path: str) -> None:
    assert await refusal(desk, path) is SourceDenied


async def test_links_that_stay_inside_are_followed(desk: Desk, root: Path) -> None:
    (root / "current").symlink_to("photos")
    (root / "same.jpg").symlink_to("photos/a.jpg")
    for path in ("current/a.jpg", "same.jpg", "photos//a.jpg"):
        assert (await desk.read("local:///" + path))[1] == JPEG


@pytest.mark.parametrize("opener", [open_beneath, open_walking])
def test_both_ways_of_opening_stay_inside(root: Path, opener: object) -> None:
    (root / "link.jpg").symlink_to("../secret.jpg")
    (root / "folder").symlink_to("../root-too")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        inside = opener(fd, "photos/a.jpg")  # type: ignore[operator]
        assert os.read(inside, 4) == JPEG[:4]
        os.close(inside)
        for path in ("link.jpg", "folder/secret.jpg", "../secret.jpg", "photos/../../secret.jpg"):
            with pytest.raises(OSError, match=r"link|root|directory"):
                opener(fd, path)  # type: ignore[operator]
    finally:
        os.close(fd)


async def test_a_link_swapped_in_while_reading_never_wins(desk: Desk, root: Path) -> None:
    """A folder is exchanged for a link out of the root, over and over, while files below it are asked for."""
    inside, outside, name = root / "inside", root.parent / "root-too", root / "swapped"
    inside.mkdir()
    (inside / "secret.jpg").write_bytes(JPEG)
    name.symlink_to("inside")
    done = False

    async def swap() -> None:
        while not done:
            for target in (outside, Path("inside")):
                (root / "next").symlink_to(target)
                os.replace(root / "next", name)  # noqa: PTH105
                await asyncio.sleep(0)

    swapping = asyncio.create_task(swap())
    seen = 0
    for number in range(80):
        try:
            _, body = await desk.read(f"local:///swapped/secret.jpg?{number}")
        except SourceDenied:
            continue
        seen += 1
        assert body == JPEG
    done = True
    await swapping
    assert seen > 0


async def test_what_is_no_file_is_missing(desk: Desk, root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(root, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket.jpg")
        os.close(here)
        for path in (
            "photos",
            "photos/",
            "",
            "nothing.jpg",
            "photos/a.jpg/b",
            "pipe.jpg",
            "socket.jpg",
            "a" * 300,
            "a\0b",
        ):
            assert await refusal(desk, path) is SourceMissing


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_what_may_not_be_read_is_refused(desk: Desk, root: Path) -> None:
    (root / "photos" / "a.jpg").chmod(0)
    assert await refusal(desk, "photos/a.jpg") is SourceRefused


async def test_too_large_a_file(make: Make, root: Path) -> None:
    desk = make(local_root=str(root), limits=Limits(source_bytes=len(JPEG) - 1))
    assert await refusal(desk, "photos/a.jpg") is SourceTooLarge


async def test_an_unchanged_file_is_read_once(desk: Desk) -> None:
    await asyncio.sleep(SETTLED_S)
    bindings = [await desk.bind("local:///photos/a.jpg") for _ in range(3)]
    assert len({binding.digest for binding in bindings}) == 1
    assert desk.metric("fetches_total", scheme="local", result="fetched") == 1
    assert desk.metric("fetches_total", scheme="local", result="unchanged") == 2


@pytest.mark.parametrize("how", ["rewritten", "replaced", "rewritten, time set back", "replaced, time set back"])
async def test_any_change_is_seen(desk: Desk, root: Path, how: str) -> None:
    path = root / "photos" / "a.jpg"
    await asyncio.sleep(SETTLED_S)
    before = await desk.bind("local:///photos/a.jpg")
    facts = path.stat()
    target = path.with_suffix(".new") if "replaced" in how else path
    target.write_bytes(JPEG[::-1])
    if "back" in how:
        os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    target.rename(path)
    binding, body = await desk.read("local:///photos/a.jpg")
    assert body == JPEG[::-1]
    assert binding.digest != before.digest


async def test_a_file_written_again_and_again_is_never_taken_for_its_elder(desk: Desk, root: Path) -> None:
    """Writes of one size within one tick of the clock: the time stamps alone do not tell them apart."""
    path = root / "photos" / "a.jpg"
    for number in range(200):
        path.write_bytes(JPEG + b"%03d" % number)
        assert (await desk.read("local:///photos/a.jpg"))[1] == JPEG + b"%03d" % number


async def test_a_stamp_of_just_now_is_not_trusted(desk: Desk, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed_ns = (root / "photos" / "a.jpg").stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: changed_ns + 1_000_000)
    assert (await desk.bind("local:///photos/a.jpg")).etag == ""
    monkeypatch.setattr(time, "time_ns", lambda: changed_ns + 1_000_000_000)
    assert (await desk.bind("local:///photos/a.jpg")).etag != ""


async def test_a_file_that_changes_while_it_is_read_is_refused(root: Path) -> None:
    path, fetcher = root / "photos" / "a.jpg", LocalFetcher(root, "?", Clock())

    class Meddling:
        """A sink that has the file grow while it is read."""

        def write(self, chunk: bytes, /) -> None:
            if path.stat().st_size == len(JPEG):
                path.write_bytes(JPEG + b"more")

    with pytest.raises(SourceIncomplete, match="changed"):
        await fetcher.fetch("local:///photos/a.jpg", None, Forwarded(), Meddling(), Clock().monotonic() + 20)
    fetcher.close()


async def test_a_reader_that_hangs_does_not_hang_its_caller(make: Make, root: Path) -> None:
    desk = make(local_root=str(root), limits=Limits(fetch_timeout_s=0.05))
    fetcher = desk.sources._origins._fetchers["local"]
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stuck(*_: object) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    fetcher._copy = stuck  # type: ignore[attr-defined]
    assert await refusal(desk, "photos/a.jpg") is SourceSlow
    release.set()


def test_a_root_that_is_no_folder_is_said_so(make: Make, root: Path) -> None:
    for path in (root / "nothing", root / "photos" / "a.jpg"):
        with pytest.raises(Misconfigured, match="local_root"):
            make(path.name, local_root=str(path))
