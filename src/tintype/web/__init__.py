"""The HTTP front: mounts, the image path (raw ASGI), the control API, the demo, and the supervisor."""
