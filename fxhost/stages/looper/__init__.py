"""A looper."""
