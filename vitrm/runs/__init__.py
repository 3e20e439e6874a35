"""The run folder, the only contract between training, the command line and the app."""
