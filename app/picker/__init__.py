"""A picture is picked by looking at it."""
