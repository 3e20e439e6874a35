"""Where a model looked, and what mattered to its answer."""
