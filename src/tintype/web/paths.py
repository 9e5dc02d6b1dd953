"""Paths of the control API and their methods: known without it, so that a node can tell where it is off."""

PURGE, EXPLAIN, TOP, OPENAPI = "/v1/purge", "/v1/explain", "/v1/top", "/v1/openapi.json"

CONTROL = {PURGE: "POST", EXPLAIN: "GET", TOP: "GET", OPENAPI: "GET"}
