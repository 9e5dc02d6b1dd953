"""Paths of the node itself, below its prefix: no images, and so never refused for what images there are too many of."""

from __future__ import annotations

from tintype.web.settings import ServerSettings

_BELOW = ("/v1/", "/.well-known/", "/demo/")


def health_paths(settings: ServerSettings) -> set[str]:
    return {"/health", settings.health_path} - {""}


class OwnPaths:
    """Tells them from those of images."""

    def __init__(self, settings: ServerSettings) -> None:
        self._whole = health_paths(settings) | {"/", "/ready", "/favicon.ico"}

    def __contains__(self, path: str) -> bool:
        return path in self._whole or path.startswith(_BELOW)
