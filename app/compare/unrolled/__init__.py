"""Every layer that a model applies as a square, drawn by a component of its own."""
