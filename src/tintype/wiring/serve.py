"""The front's process, run by the supervisor as `python -m tintype.wiring.serve`: imports a front, then runs it."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from importlib import import_module

# Of nice(2): a start then takes no more from other nodes of its machine than a render does, and some CPU at all times.
_BEHIND = 10


def main() -> int:
    """Run a front; returns its exit status."""
    gc.disable()  # what imports make stays: to look for garbage in it is a tenth of their time
    behind = threading.Thread(target=_import_behind)
    behind.start()
    behind.join()
    from tintype.wiring.serving import main as serve  # noqa: PLC0415 - the thread has imported it

    gc.enable()
    return serve()


def _import_behind() -> None:
    """Import a front in a thread that stands back, as on Linux nice is a thread's: the process could not take its own back."""
    if sys.platform == "linux":
        os.nice(_BEHIND)
    with contextlib.suppress(Exception):  # what fails here fails again in the main thread, where it is told
        import_module("tintype.wiring.serving")


if __name__ == "__main__":
    sys.exit(main())
