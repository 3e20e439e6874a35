"""The address of what is on show, to be passed on."""
