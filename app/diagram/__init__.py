"""The model in one picture, drawn from its configuration."""
