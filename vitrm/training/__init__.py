"""One training, from a configuration to its last epoch."""
