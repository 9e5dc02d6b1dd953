"""The bill of materials: the only package that names concrete adapters, and where a node is put together from them."""
