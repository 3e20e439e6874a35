"""Speed of this code on this machine, as ratios measured in one run: what is timed takes turns."""
