"""Stages that play another stage at a rate other than its own."""
