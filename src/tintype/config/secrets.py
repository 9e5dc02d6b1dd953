"""Secrets that are given elsewhere: `file:/path` or `env:NAME` in place of the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from tintype.config.given import Given, read_file
from tintype.config.schema import Spec
from tintype.core.errors import Misconfigured


@dataclass(slots=True)
class Secrets:
    """Resolves references, and remembers the files they were read from."""

    env: Mapping[str, str]
    files: list[str] = field(default_factory=list)

    def resolve(self, spec: Spec, given: Given) -> Given:
        """Return a value with its references replaced; a file that a list refers to has one member a line."""
        if not spec.secret:
            return given
        raw = given.raw
        if isinstance(raw, str) and given.text and isinstance(spec.default, tuple):
            raw = [part.strip() for part in raw.split(",")] if raw else []
        if isinstance(raw, str):
            return Given(given.path, self._one(raw, given), given.origin, given.text)
        if isinstance(raw, list):
            return Given(given.path, [line for item in raw for line in self._many(item, given)], given.origin)
        return given

    def _many(self, item: Any, given: Given) -> list[Any]:
        if isinstance(item, str) and item.startswith("file:"):
            return self._one(item, given).split()
        return [self._one(item, given)] if isinstance(item, str) else [item]

    def _one(self, item: str, given: Given) -> str:
        kind, colon, where = item.partition(":")
        if not colon or kind not in ("file", "env"):
            return item
        if kind == "file":
            self.files.append(where)
            return read_file(File(where)).strip()
        if where not in self.env:
            raise Misconfigured(
                f"{'.'.join(given.path)} ({given.origin}) refers to the variable {where}, which is not set"
            )
        return self.env[where].strip()
