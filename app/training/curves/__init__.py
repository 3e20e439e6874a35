"""Curves that grow while one looks: new points arrive, and the zoom, the hidden lines and the pointer stay."""
