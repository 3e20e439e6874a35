"""From a source string to three splits of images and labels."""
