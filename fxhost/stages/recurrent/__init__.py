"""The compiled LSTM and GRU."""
