"""Models side by side: the same weights again, or new ones?"""
