"""The network that learns: its kernels, losses, start and stability."""
