"""What a profile changes of the defaults (DESIGN, Profiles)."""

from __future__ import annotations

from typing import Any

from tintype.config.given import Given

# The defaults of the settings classes are the tintype profile, but for these.
_TINTYPE: dict[str, Any] = {
    "tenants.*.policy.light": "linear",
    "tenants.*.policy.preserve_hdr": True,
    # A fallback stands in for something that may be back in a moment.
    "tenants.*.fallback.ttl_s": 60,
}
# imgproxy's own defaults, where they differ from those of the settings classes.
_IMGPROXY: dict[str, Any] = {
    "server.host": "0.0.0.0",  # noqa: S104 - imgproxy's ":8080" is every interface
    "server.write_timeout_s": 10,
    "limits.clients": 2048,
    "server.demo": False,
    "sources.allow_private": True,
    "tenants.*.policy.light": "gamma",
    "tenants.*.policy.shrink_table": "imgproxy",
    "tenants.*.policy.encoders": "imgproxy",
    "tenants.*.policy.webp_effort": 4,
    "tenants.*.policy.avif_speed": 8,
    "tenants.*.delivery.promote": False,
    "tenants.*.degrade": [],
}
PROFILES = {"tintype": _TINTYPE, "imgproxy": _IMGPROXY}


def profile(name: str, tenants: tuple[str, ...]) -> list[Given]:
    """Return what a profile sets, for each tenant."""
    found = []
    for setting, raw in PROFILES[name].items():
        for tenant in tenants if ".*." in setting else ("",):
            path = tuple(tenant if part == "*" else part for part in setting.split("."))
            found.append(Given(path, raw, f"profile {name}"))
    return found
