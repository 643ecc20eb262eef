"""A page that controls a running rig from a phone."""
