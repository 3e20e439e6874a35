"""A maze to draw on, with mouse, finger or keys."""
