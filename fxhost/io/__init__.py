"""Sound devices, streams, sound files and the operating system."""
