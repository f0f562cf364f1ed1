"""The kinds of probe, a module each with its ``KIND``; the registry reads this folder. None imports another."""
