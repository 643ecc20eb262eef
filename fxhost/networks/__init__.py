"""Descriptions of neural networks: their sizes, weights and a reference step, in numpy."""
