"""What all compiled code needs: compiler intrinsics, vectors, and the caches of code and of measurements."""
