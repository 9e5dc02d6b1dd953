"""Whose turn it is: fair shares, turns, and the queue for workers."""
