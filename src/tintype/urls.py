"""Build signed URLs in templates, with the standard library alone."""
