"""The supervisor's process: asks whether the node can listen, and keeps a front running. It imports no part of a node."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tintype.config import Loaded, load, with_keys
from tintype.telemetry.logs import Log
from tintype.web.listening import ensure_free
from tintype.web.supervisor import Supervisor

_FRONT = "tintype.wiring.serve"
# Tells the front what its configuration is loaded from, besides the environment.
_REQUEST = "_TINTYPE_REQUEST"


def supervise(loaded: Loaded) -> int:
    """Run a node under a supervisor; returns the exit status.

    Raises:
        Misconfigured: it could not listen where it is to.
    """
    server, log = loaded.config.server, Log(loaded.config.telemetry)

    def event(name: str, /, **facts: Any) -> None:
        log.write(name, facts)

    def taken(message: str) -> None:
        event("port_taken", level="warning", message=message)

    patience_s = loaded.config.ends_within_s  # of a predecessor, taken to have the same settings
    ensure_free(server.host, server.port, "server.host, server.port", taken, patience_s)
    ensure_free(server.metrics_host, server.metrics_port, "server.metrics_host, server.metrics_port", taken, patience_s)
    for warning in loaded.warnings:
        event("configuration_warning", level="warning", message=warning)
    request = {"path": loaded.request.path, "overrides": dict(loaded.request.overrides)}
    env = {**os.environ, _REQUEST: json.dumps(request)}
    return Supervisor([sys.executable, "-m", _FRONT], env, event, loaded.config.ends_within_s).run()


def handed() -> Loaded:
    """Return the configuration of a front, loaded from what its supervisor was given.

    Raises:
        Misconfigured: as `load` and `with_keys`.
    """
    request = json.loads(os.environ.pop(_REQUEST, "{}"))
    return with_keys(load(**request))
