"""URL languages: each turns a request target into a pipeline and back. Pure: no I/O, no clock, no logging."""
