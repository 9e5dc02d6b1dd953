"""Configuration: settings from defaults, profile, TOML, environment and flags, each with where it came from."""

from tintype.config.keys import with_keys
from tintype.config.load import load, reload, watch_paths
from tintype.config.values import Config, Loaded, Setting, TenantConfig

__all__ = ["Config", "Loaded", "Setting", "TenantConfig", "load", "reload", "watch_paths", "with_keys"]
