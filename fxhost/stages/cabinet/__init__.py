"""A cabinet: convolution with an impulse response, without latency."""
