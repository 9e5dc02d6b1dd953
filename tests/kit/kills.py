"""Writes to a file store at full speed, is killed, again and again, and says what was found after each kill.

Run as `python -m tests.kit.kills FOLDER MAX_BYTES ROUNDS SEED`. Each round is a process of its own: it opens the store,
looks at what the kills before have left, then puts, gets and drops from several tasks until SIGKILL. Prints one JSON
line at the end; exits with 1 and a reason at the first wrong byte, unknown file or exceeded bound.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from tests.cache.support import Seen, TickingClock, select
from tintype.core.entry import Scope
from tintype.kit.filestore import FileStore

KEYS = 400
AUDIT_EVERY = 10
TASKS = 6
FILE = 124_000  # what a body written by the caller takes at most


def body_of(key: str, rng: random.Random) -> bytes:
    """A body that tells by itself whether it is whole and of this key: 16 hash bytes over key and the rest."""
    rest = rng.randbytes(rng.choice((10, 3_000, 20_000, 120_000)))
    return hashlib.blake2b(key.encode() + rest, digest_size=16).digest() + rest


def is_right(key: str, body: bytes) -> bool:
    return hashlib.blake2b(key.encode() + body[16:], digest_size=16).digest() == body[:16]


async def write(folder: Path, max_bytes: int, seed: int, ready: int) -> None:
    begun = time.perf_counter()
    store = FileStore(folder, max_bytes, tier="disk", clock=TickingClock(), telemetry=Seen())
    os.write(ready, json.dumps(time.perf_counter() - begun).encode())
    await asyncio.gather(*(churn(store, random.Random(f"{seed}-{task}")) for task in range(TASKS)))


async def churn(store: FileStore, rng: random.Random) -> None:
    while True:
        key = f"key{rng.randrange(KEYS)}"
        move = rng.random()
        if move < 0.6:
            await put(store, key, rng)
        elif move < 0.98:
            found = await store.get(key)
            if found is not None and not is_right(key, found.body):
                os._exit(3)
        else:
            await store.drop(select(Scope.TAG, f"tag{rng.randrange(9)}"))


def file_with(name: str, body: bytes) -> str:
    Path(name).write_bytes(body)
    return name


async def put(store: FileStore, key: str, rng: random.Random) -> None:
    number = rng.randrange(9)
    made = body_of(key, rng)
    body: bytes | str = made
    if number < 3:
        store.account(FILE)
        body = file_with(store.temporary(), made)
    await store.put(key, body, meta=key.encode(), source=f"s{number}", tags=(f"tag{number}",))
    if body is not made:
        store.account(-FILE)


def killed_round(folder: Path, max_bytes: int, seed: int) -> float:
    """Let a process write and kill it; returns how long its store took to open, or 0 if it was killed before."""
    rng = random.Random(seed)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(write(folder, max_bytes, seed, writing))
        finally:
            os._exit(4)
    os.close(writing)
    opened = 0.0
    if rng.random() < 0.9:
        opened = float(os.read(reading, 100) or b"0")
    time.sleep(rng.random() * 0.05)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    os.close(reading)
    if not os.WIFSIGNALED(status):
        raise SystemExit(f"the writer ended by itself with {os.waitstatus_to_exitcode(status)} (3: a wrong body)")
    return opened


def used_bytes(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


async def audit(folder: Path, max_bytes: int) -> None:
    """Open what the kills have left and look at everything."""
    store = FileStore(folder, max_bytes, tier="disk", clock=TickingClock(), telemetry=Seen())
    await store.drop(select(Scope.KEY, "none"))  # behind the sweep
    assert list((folder / "temp").iterdir()) == [], "temporary files survived a start"
    db = sqlite3.connect(folder / "index")
    known = dict(db.execute("SELECT id, size FROM entry"))
    files = {int(path.name, 16) for path in (folder / "files").rglob("*") if path.is_file()}
    assert files <= known.keys(), f"files that the index does not know: {files - known.keys()}"
    counted = db.execute("SELECT entries, bytes FROM total").fetchone()
    assert counted == (len(known), sum(max(4096, -(-size // 4096) * 4096) for size in known.values()))
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    missing = len(known) - len(files)
    assert missing <= 70, f"{missing} rows have no file: more than one batch of one kill"
    db.close()
    for key in (f"key{number}" for number in range(KEYS)):
        found = await store.get(key)
        assert found is None or (is_right(key, found.body) and found.meta == key.encode()), f"wrong bytes for {key}"
    await store.close()


def audited(folder: Path, max_bytes: int) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(audit(folder, max_bytes))
            status = 0
        except BaseException as error:  # noqa: BLE001 the child must end here, and say why
            print(f"audit: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(status)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("the audit failed")


def main(folder: Path, max_bytes: int, rounds: int, seed: int) -> None:
    most, opens = 0, []
    for number in range(rounds):
        opens.append(killed_round(folder, max_bytes, seed + number))
        most = max(most, used_bytes(folder))
        if most > max_bytes * 1.02:
            raise SystemExit(f"after kill {number} (seed {seed + number}) {most} bytes are in use of {max_bytes}")
        if number % AUDIT_EVERY == AUDIT_EVERY - 1:
            audited(folder, max_bytes)
    opens = sorted(opens)
    print(json.dumps({"most": most, "open_median_s": opens[len(opens) // 2], "rounds": rounds}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
