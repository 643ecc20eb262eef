"""Reading presets and other programs' captures."""
