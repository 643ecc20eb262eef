"""The networks in torch: the TorchScript writer and engine."""
