"""Networks: modules with `net(num_classes, image_shape) -> keras.Model`, logits out.

Layers carry explicit names, so that a checkpoint finds its variables in any process. A module may
also have `first_weights(model, images)`, which sets weights of a fresh run by some of its images.
`modeler.network=MobileNetV2`, with a capital, is the network of that name in `keras.applications`;
what its weights expect of the pixels (often -1..1) is for the recipe's augmenter to say.
"""
