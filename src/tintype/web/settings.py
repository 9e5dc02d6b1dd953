"""Settings of the HTTP front."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The listening side."""

    host: str = setting("127.0.0.1", "Address to listen on; 0.0.0.0 or :: for all.")
    port: int = setting(8080, "Port to listen on; 0 = any free one.", most=65535)
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Addresses and ranges (10.0.0.0/8) of proxies in front, whose word counts for who asks (Forwarded, X-Forwarded-For),"
        " how urgently (Priority) and until when (X-Request-Deadline); empty = nobody's.",
    )
    path_prefix: str = setting("", "Prefix of every path, removed before anything else is looked at.")
    health_path: str = setting("", "A further path that answers like /health.")
    metrics_host: str = setting("127.0.0.1", "Address of the metrics port.")
    metrics_port: int = setting(0, "Port of the Prometheus metrics; 0 = none.", most=65535)
    admin_token: str = setting(
        "", "Bearer token of the control API (purge); empty = the control API is off.", secret=True
    )
    keep_alive_timeout_s: float = setting(
        10.0, "Above 0, connections stay open for more requests, idle for `read_timeout_s`; 0 closes each."
    )
    read_timeout_s: float = setting(10.0, "Time for a client to send request headers, and for an idle connection to.")
    write_timeout_s: float = setting(
        60.0,
        "Time a client may read nothing of an answer over 1 MB: until there is room for the next piece of it (8 to 256 KB).",
    )
    drain_timeout_s: float = setting(20.0, "Time running requests get to end after SIGTERM.")
    hand_over: str = setting(
        "",
        "Location where an nginx on this machine has the folder `handed` of data_dir, /handed for one: it is asked to send"
        " originals of 1 MB and more itself (X-Accel-Redirect); empty = the node sends them.",
    )
    development_errors: bool = setting(False, "Show full error messages in answers; for development only.")
    debug_headers: bool = setting(False, "Add X-Origin-* and X-Result-* headers.")
    demo: bool = setting(True, "Serve the demo page at / while listening on loopback with the embedded key.")
