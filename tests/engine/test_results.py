"""What comes from a worker is not trusted: descriptors of the wrong kind or size, error codes of others, broken packets."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import sys
from collections.abc import Sequence

import msgspec
import psutil
import pytest

from tests.engine.conftest import Benches
from tintype.core.errors import BrokenImage, EngineFailed, ImageTooLarge, TintypeError, UnsupportedImage
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.messages import (
    MAX_PACKET_BYTES,
    Checked,
    Done,
    Failed,
    FromWorker,
    Input,
    Pixels,
    Probe,
    Probed,
    Result,
)
from tintype.engine.channel import Channel, End, encode, pair
from tintype.engine.results import read_done, read_info, read_proofs, read_results

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses memfd")

INFO = ImageInfo(format=Format.PNG, width=1, height=1)


def none(pixels: Sequence[Pixels], fds: Sequence[int]) -> None:
    assert not pixels
    assert not fds


def result(size: int) -> Result:
    return Result(format=Format.PNG, width=1, height=1, frames=1, size=size)


@pytest.fixture
def body() -> int:
    fd = os.memfd_create("body")
    os.write(fd, b"x" * 10)
    return fd


def test_a_body_is_read_whole_wherever_the_descriptor_stands(body: int) -> None:
    assert read_results([result(10)], [body], 1, 10) == (b"x" * 10,)


@pytest.mark.parametrize(("announced", "most"), [(9, 100), (11, 100), (0, 100), (-1, 100), (10, 9)])
def test_a_body_of_another_size_is_refused(body: int, announced: int, most: int) -> None:
    with pytest.raises(EngineFailed, match="10 bytes"):
        read_results([result(announced)], [body], 1, most)


def test_numbers_that_do_not_agree_are_refused(body: int) -> None:
    for results, fds, plans in ([result(10)], [], 1), ([], [body], 1), ([result(10)], [body], 2), ([], [], 1):
        with pytest.raises(EngineFailed):
            read_results(results, fds, plans, 100)


def test_what_is_no_file_is_refused_without_waiting_for_it() -> None:
    reading, writing = os.pipe()
    with pytest.raises(EngineFailed):
        read_results([result(10)], [reading], 1, 100)
    with socket.socket() as sock, pytest.raises(EngineFailed):
        read_results([result(10)], [sock.fileno()], 1, 100)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("broken_image", BrokenImage),
        ("image_too_large", ImageTooLarge),
        ("unsupported_image", UnsupportedImage),
        ("not_signed", EngineFailed),  # a worker has no say in signatures, nor in anything but images
        ("shed", EngineFailed),
        ("source_missing", EngineFailed),
        ("no such code", EngineFailed),
    ],
)
def test_a_worker_may_refuse_an_image_and_nothing_else(code: str, kind: type[TintypeError]) -> None:
    failed = Failed(id=1, code=code, message="so it is")
    for read in (read_info, read_proofs, lambda reply, fds: read_done(reply, fds, 1, 10, none)):
        with pytest.raises(kind, match="so it is") as caught:
            read(failed, [])
        assert type(caught.value) is kind


@pytest.mark.parametrize("ms", [math.inf, -math.inf, math.nan, -1.0, 1e7, 1e308])
@pytest.mark.parametrize("field", ["cpu_ms", "decode_ms", "steps_ms", "encode_ms"])
def test_a_time_that_no_job_takes_is_refused(field: str, ms: float, body: int) -> None:
    """As it comes off the wire, where infinity and NaN are numbers like others."""
    done = msgspec.msgpack.decode(
        msgspec.msgpack.encode(Done(id=1, results=(result(10),), **{field: ms})),  # type: ignore[arg-type]
        type=Done,
    )
    with pytest.raises(EngineFailed, match="ms of CPU time"):
        read_done(done, [body], 1, 10, none)
    os.close(body)


@pytest.mark.parametrize("rss", [-1, 1 << 62])
def test_a_size_that_no_worker_has_is_refused(rss: int) -> None:
    with pytest.raises(EngineFailed, match="bytes"):
        read_done(Done(id=1, results=(), rss_bytes=rss), [], 0, 10, none)


def test_times_as_they_are_taken_are_believed(body: int) -> None:
    done = Done(id=1, results=(result(10),), cpu_ms=9_000.0, decode_ms=0.0, encode_ms=1e6, rss_bytes=1 << 40)
    assert read_done(done, [body], 1, 10, none) == (done, (b"x" * 10,))
    os.close(body)


@pytest.mark.parametrize("ms", ["inf", "nan", "-5"])
async def test_no_lie_about_times_reaches_a_counter(engine: Benches, ms: str) -> None:
    bench = await engine()
    await bench.say("echo x")
    before = bench.metric("engine_cpu_seconds_total", phase="decode")
    with pytest.raises(EngineFailed, match="ms of CPU time"):
        await bench.say(f"took {ms}")
    assert bench.metric("engine_cpu_seconds_total", phase="decode") == before > 0
    assert await bench.say("echo x") == "x"
    assert bench.metric("engine_cpu_seconds_total", phase="decode") == pytest.approx(2 * before)


def test_the_answer_to_another_question_is_none() -> None:
    for read, reply in (
        (read_info, Checked(id=1)),
        (read_proofs, Probed(id=1, info=INFO)),
        (lambda reply, fds: read_done(reply, fds, 1, 10, none), Probed(id=1, info=INFO)),
    ):
        with pytest.raises(EngineFailed, match=type(reply).__name__):
            read(reply, [])
    assert read_info(Probed(id=1, info=INFO), []) == INFO


class Ear:
    """Hears a channel."""

    def __init__(self) -> None:
        self.ours, self.theirs = pair()
        self.heard: list[tuple[FromWorker, int]] = []
        self.ends: list[End] = []
        self.closed = asyncio.Event()
        self.channel = Channel(self.ours, msgspec.msgpack.Decoder(FromWorker), self._hear, self._end)

    def _end(self, end: End) -> None:
        self.ends.append(end)
        self.closed.set()

    def _hear(self, message: FromWorker, fds: list[int]) -> None:
        self.heard.append((message, len(fds)))
        for fd in fds:
            os.close(fd)


def open_descriptors() -> int:
    return psutil.Process().num_fds()


@pytest.mark.parametrize("packet", [b"\xc1", b"hello", msgspec.msgpack.encode({"type": "Nonsense"}), b"x" * 300_000])
async def test_a_packet_that_is_none_of_ours_ends_the_talk_and_leaks_nothing(packet: bytes, body: int) -> None:
    ear = Ear()
    before = open_descriptors()
    socket.send_fds(ear.theirs, [packet], [body, body])
    await asyncio.wait_for(ear.closed.wait(), 60)
    assert (ear.heard, ear.ends) == ([], [End.GARBAGE])
    assert open_descriptors() == before - 1  # our end
    ear.theirs.close()


async def test_more_descriptors_than_a_message_may_have_end_the_talk_and_leak_nothing(body: int) -> None:
    ear = Ear()
    before = open_descriptors()
    done = msgspec.msgpack.encode(Done(id=1, results=()))
    socket.send_fds(ear.theirs, [done], [body] * 100)
    await asyncio.wait_for(ear.closed.wait(), 60)
    assert (ear.heard, ear.ends) == ([], [End.GARBAGE])
    assert open_descriptors() == before - 1
    ear.theirs.close()


async def test_messages_come_in_order_and_then_the_end() -> None:
    ear = Ear()
    for number in range(5):
        ear.theirs.send(msgspec.msgpack.encode(Checked(id=number)))
    ear.theirs.close()
    await asyncio.wait_for(ear.closed.wait(), 60)
    assert ear.heard == [(Checked(id=number), 0) for number in range(5)]
    assert ear.ends == [End.HUNG_UP]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the end says less")
async def test_an_end_with_something_unread_is_told_from_an_end() -> None:
    ear = Ear()
    ear.channel.send(b"never read")
    ear.theirs.close()
    await asyncio.wait_for(ear.closed.wait(), 60)
    assert ear.ends == [End.UNREAD]


async def test_a_packet_of_the_largest_size_is_carried() -> None:
    ours, theirs = pair()
    with ours, theirs:
        assert ours.send(b"x" * MAX_PACKET_BYTES) == MAX_PACKET_BYTES
        assert len(theirs.recv(MAX_PACKET_BYTES + 1)) == MAX_PACKET_BYTES


def test_a_message_over_the_largest_size_is_not_encoded() -> None:
    with pytest.raises(EngineFailed, match=str(MAX_PACKET_BYTES)):
        encode(Probe(id=1 << 62, input=Input(format="x" * MAX_PACKET_BYTES, size=1), source_pixels=1))  # type: ignore[arg-type]


async def test_nothing_is_leaked_whatever_happens(engine: Benches) -> None:
    bench = await engine()

    async def everything() -> None:
        for text in ("echo x", "big 100000", "raise x", "refuse x", "try segfault x", "sleep 9"):
            try:
                await bench.say(text, plans=3, within_s=0.4, digest=os.urandom(4).hex())
            except TintypeError:
                continue
        await bench.until(lambda: bench.metric("engine_workers") == 1)

    await everything()
    before = open_descriptors()
    for _ in range(3):
        await everything()
    await bench.until(lambda: open_descriptors() <= before)  # those of a worker that ended go a little later
