"""Coordination of nodes through a Valkey that they share: who makes a result, and what tenants have spent together.

It is an accelerator and no truth: whatever is asked of it answers within a bound, and if it does not, a node goes on alone.
"""
