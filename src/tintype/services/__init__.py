"""Use cases: one file, one verb. They know ports and values, and no adapter."""
