"""One small loader for each published data set: its quirks, and nothing of the model."""
