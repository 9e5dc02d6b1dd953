"""Admission: who may begin work, and whose turn it is. Pure deciders: `now` is an argument, nothing is awaited or logged.

Two tickets per miss: one for a fetch, before any I/O, at what such work costs as a rule, and one for a render, at what
its plan is predicted to cost. Hits need none. Who is refused is refused at once.
"""
