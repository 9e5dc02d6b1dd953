"""Faults and floods, each against real nodes on loopback: what must hold while they last, and after."""
