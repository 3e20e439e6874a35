"""A model that sees a few patches at each step."""
