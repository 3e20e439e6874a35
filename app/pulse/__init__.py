"""How a browser hears what the teacher does: it asks, seldom while nobody looks at it."""
