"""A worker with a thread that runs before it is confined, which the kernel would leave free."""

from __future__ import annotations

import threading

from tests.engine.bad_worker import Bad
from tintype.worker import entry


class Threaded(Bad):
    def __init__(self) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()


if __name__ == "__main__":
    entry.main(Threaded)
