"""What plays: the slots of a rack and the run of it."""
