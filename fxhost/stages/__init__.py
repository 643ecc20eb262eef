"""Stages: compiled steps of a signal chain, one a file."""
