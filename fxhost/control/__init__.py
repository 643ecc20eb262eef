"""Who turns it: one list of commands, which keys issue."""
