"""Without TensorFlow, only what can be tested without it is collected."""

import importlib.util

NEED_TENSORFLOW = [
    "augmenter",
    "callback",
    "commands",
    "glossary",
    "inputter",
    "modeler",
    "network",
    "runner",
    "tf",
]
collect_ignore = [] if importlib.util.find_spec("tensorflow") else NEED_TENSORFLOW
