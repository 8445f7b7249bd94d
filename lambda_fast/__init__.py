"""lambda_fast: training image models in TensorFlow as fast as the hardware allows."""

__version__ = "0.1.0"
