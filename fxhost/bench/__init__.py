"""Measuring: time of blocks, jitter, round trip and limits."""
