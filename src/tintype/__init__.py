"""tintype: a self-hosted image platform."""

__version__ = "0.1.0"
