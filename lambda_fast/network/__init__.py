"""Networks: modules with `net(num_classes, image_shape) -> keras.Model`, logits out.

Layers carry explicit names, so that a checkpoint finds its variables in any process.
"""
