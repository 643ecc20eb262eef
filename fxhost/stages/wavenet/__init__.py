"""The compiled WaveNet, ConvNet and linear filter."""
