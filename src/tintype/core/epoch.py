"""The render epoch: part of every plan key. It changes only when pixels change on purpose, never with a build."""

from __future__ import annotations

# Raise by one, and put the old number into OLD_EPOCHS, in the commit that changes golden images.
RENDER_EPOCH = 6

# Epochs whose cached results may still be served, newest first, while they are renewed at a budgeted rate. The last one is
# enough: each is looked up in every tier whenever something is missed, which for a shared store is a request.
OLD_EPOCHS: tuple[int, ...] = (5,)
