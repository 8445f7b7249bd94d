"""Augmenters: what is done to an image before the network sees it.

Each module with a `build` states one, as an `AugmentSpec`; fields given to `build` replace its own.
`without_dice()` of that is its form for evaluation. Found by name:
`lambda_fast.build.find("augmenter", "vgg")()`.
"""
