"""Adapter of port Engine: a pool of sandboxed worker processes. Knows no codec; takes descriptors, gives bytes."""

from tintype.engine.pool import Pool

__all__ = ["Pool"]
