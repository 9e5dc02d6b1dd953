"""What is asked of a host: how much at once, by whom first, and whether at all."""
