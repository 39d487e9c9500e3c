"""Measurements: ratios against a bare loop or a peer, never a timed assertion."""
