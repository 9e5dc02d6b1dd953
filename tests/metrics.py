"""Reading metrics in tests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry


def total(registry: CollectorRegistry, name: str, labels: dict[str, str]) -> float:
    """Return the value of an exported sample, summed over the labels not given."""
    samples = (sample for family in registry.collect() for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())
