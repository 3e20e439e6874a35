"""Pictures to try for whoever has none at hand, with where they are from."""
