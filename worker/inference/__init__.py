"""Networks, checkpoints, sampling: arrays in, arrays out. The only serving room with torch."""
