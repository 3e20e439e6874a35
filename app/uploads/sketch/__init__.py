"""A sheet to draw on, and the clipboard."""
