"""Two ways to take part: choose the next patches, and guess before the model does."""
