"""URLs as they are served, given to the control API: whose they are."""

from __future__ import annotations

from tintype.core.errors import BadRequest
from tintype.web.mounts import Mount, Mounts


def mounted(url: str, mounts: Mounts, path_prefix: str) -> tuple[Mount, str, str]:
    """Return whose a URL is, its path there, and its query with the question mark. Raises BadRequest."""
    host, target = _split(url)
    path, mark, query = target.partition("?")
    found = mounts.find(host, path.removeprefix(path_prefix))
    if found is None:
        raise BadRequest("no tenant is mounted at this host and path")
    return *found, mark + query


def _split(url: str) -> tuple[str, str]:
    """Split a URL as it is served into host and raw path; a bare path has no host."""
    if url.startswith(("http://", "https://")):
        host, _, path = url.split("://", 1)[1].partition("/")
        return host, "/" + path
    return "", url if url.startswith("/") else "/" + url
