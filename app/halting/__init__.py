"""When has a model seen enough?"""
