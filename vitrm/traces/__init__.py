"""What happens to one image, move by move."""
