"""The soft mixture of one image, explored in the browser alone."""
