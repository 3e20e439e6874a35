"""The site without a server: recorded traces of the bundled models, in the app's own player."""
