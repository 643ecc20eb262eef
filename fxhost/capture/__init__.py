"""Making a pair of recordings: a test signal goes through a real device, and what comes back is laid over it."""
