"""The same image through two models."""
