"""Dry and wet recordings: reading them, checking them, and aligning one with the other."""
