"""Below the floor: compiler intrinsics, vectors, and the caches of compiled code and of measurements."""
