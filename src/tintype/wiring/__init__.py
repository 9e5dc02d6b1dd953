"""The bill of materials: the only package that names concrete adapters, and where a node is put together from them."""

from tintype.wiring.engines import engine
from tintype.wiring.node import Node, build
from tintype.wiring.serve import serve
from tintype.wiring.tenants import dialect_for, mounts

__all__ = ["Node", "build", "dialect_for", "engine", "mounts", "serve"]
