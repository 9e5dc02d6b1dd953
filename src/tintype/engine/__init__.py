"""Adapter of port Engine: a pool of sandboxed worker processes. Knows no codec; takes descriptors, gives bytes."""
