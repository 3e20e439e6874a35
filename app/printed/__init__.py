"""Every figure for a paper: SVG or PDF of a width in millimetres, its numbers, and the Python that draws it."""
