"""Chains in parallel: a block goes through several branches, whose outputs are added."""
