"""What the terms of the pages mean: one definition of each, shown wherever it stands."""
