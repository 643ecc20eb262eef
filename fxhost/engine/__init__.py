"""The audio thread and what is prepared for it."""
