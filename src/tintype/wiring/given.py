"""Images that a configuration gives: watermarks and fallbacks."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from tintype.config import Config
from tintype.core.errors import Misconfigured
from tintype.core.tenant import StandIn
from tintype.kit.held import HeldLease
from tintype.ports import Lease


class GivenImages:
    """Watermarks and fallbacks that the configuration gives as base64 or as a file, held in memory."""

    def __init__(self, config: Config) -> None:
        self._held: dict[tuple[str, StandIn], HeldLease] = {}
        self.load(config)

    def load(self, config: Config) -> None:
        """Read the images of a configuration, in place of those before. Raises Misconfigured."""
        held = {}
        for tenant in config.tenants:
            for name, standin in (("watermark", tenant.tenant.watermark), ("fallback", tenant.tenant.fallback)):
                body = _body(f"tenants.{tenant.name}.{name}", standin)
                if body is not None:
                    held[tenant.name, standin] = HeldLease(tenant.name, f"{name}:", body)
        self._held = held

    def lease(self, tenant: str, standin: StandIn) -> Lease | None:
        return self._held.get((tenant, standin))


def _body(setting: str, standin: StandIn) -> bytes | None:
    try:
        if standin.data:
            return base64.b64decode("".join(standin.data.split()), validate=True)
        return Path(standin.path).read_bytes() if standin.path else None
    except (binascii.Error, ValueError):
        raise Misconfigured(f"{setting}.data is not base64") from None
    except OSError as error:
        raise Misconfigured(f"{setting}.path: {standin.path} cannot be read: {error.strerror}") from None
