"""A peer behind nginx that has equal requests wait for one (`proxy_cache_lock`) and keeps what it made: what many run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.node import free_port
from bench.origin import nginx, started
from bench.peers import Peer, Server

_CONF = """
{user} daemon off; worker_processes auto; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  proxy_cache_path {work}/kept keys_zone=kept:20m max_size=2g;
  upstream peer {{ server 127.0.0.1:{peer}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://peer; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache kept; proxy_cache_valid 200 1h; proxy_cache_lock on; proxy_cache_lock_timeout 15s;
    }}
  }}
}}
"""


def collapsed(peer: Peer) -> Peer:
    """Return a peer with nginx in front. What is told of its processes leaves nginx out."""

    @contextlib.contextmanager
    def start(folder: Path, base: str) -> Iterator[Server]:
        port, work = free_port(), folder / "edge"
        work.mkdir(parents=True)
        with peer.start(folder, base) as server:
            user = "user root;" if os.geteuid() == 0 else ""
            config = work / "nginx.conf"
            config.write_text(_CONF.format(user=user, work=work, port=port, peer=server.port))
            command = [nginx() or "nginx", "-c", str(config), "-e", str(work / "nginx.log"), "-p", str(work)]
            with started(command, port):
                yield replace(server, port=port)

    return Peer(f"{peer.name}-nginx", f"{peer.title} behind nginx", start, lambda: nginx() and peer.program(), peer.get)
