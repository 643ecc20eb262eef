"""The version of fxhost."""

__version__ = "0.1.0"
