"""The lessons on paper: worksheet, solutions, and the test before and after, drawn from the lessons themselves."""
