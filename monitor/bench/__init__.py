"""Measures the prober by its own code path, and beside it the peers that are found on the PATH."""
