"""Modelers: own a network and say what a step computes."""
