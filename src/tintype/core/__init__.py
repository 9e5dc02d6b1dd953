"""Values and pure functions: what was asked, what is known of an image, what will be done. No I/O, no clock, no codec."""
