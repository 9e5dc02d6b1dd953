"""The front's memory: what one body frees serves the next, without a detour through the kernel."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Bodies come and go in pieces of 256 KiB, on top of what stays: prints how many pages had to be faulted in.
PROGRAM = """
import resource, sys
from tintype.web.run import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
pieces = []
def bodies(number):
    for _ in range(number):
        pieces.extend(bytearray(262_144) for _ in range(10))
        pieces.clear()
bodies(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bodies(100)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such switch")
def test_freed_memory_is_used_again() -> None:
    assert faults("kept") < 1_000 < faults("as it is")
