"""The bill of materials: the only module that names concrete adapters."""
