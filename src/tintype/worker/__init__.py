"""The engine's pixel side: codecs, steps and what confines them. It knows the values of core and nothing else."""
