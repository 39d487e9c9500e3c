"""Public data to checkpoints, and their evaluation."""
