"""Early exit for one image, with a threshold that moves in the browser alone."""
