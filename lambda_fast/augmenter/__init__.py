"""Augmenters: what is done to an image before the network sees it."""
