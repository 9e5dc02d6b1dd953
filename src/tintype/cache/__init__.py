"""Result caches: memory, then disk, then an object store shared by nodes; each may vanish at any moment."""
