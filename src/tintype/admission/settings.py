"""Settings of admission."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Who may begin work. What is not let in is refused at once, with 503 and Retry-After."""

    crowd_s: float = setting(
        0.5,
        "Longest wait for a worker, as predicted, while more is asked for than there are workers for, in s.",
        least=0.01,
    )
    burst_s: float = setting(
        0.8,
        "Longest wait in the first seconds of that, and how many these are: a page full of images is no overload.",
        least=0.01,
    )
    memory_bytes: int = setting(
        0, "What running renders may take together, as predicted; 0 = three quarters of the machine's memory."
    )
