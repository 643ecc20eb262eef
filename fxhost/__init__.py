"""fxhost: a real-time host for learned audio effects."""

__version__ = "0.1.0"
