"""For a room with a beamer: of a page nothing but one figure is on show, enlarged, and the keyboard alone is enough."""
