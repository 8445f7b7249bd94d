"""The optimizer of a run, by name."""

from collections.abc import Sequence

import keras
from keras.optimizers import SGD, Adam, AdamW, Lamb, RMSprop

from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.lars import Lars
from lambda_fast.modeler.muon import Muon


def optimizer_of(
    config: ModelerConfig, learning: Sequence[keras.Variable], decaying: Sequence[keras.Variable]
) -> keras.Optimizer:
    """The optimizer with its slots.

    Args:
        config: names it.
        learning: the variables that it updates.
        decaying: those of them with weight decay, where the optimizer sees to that itself.
    """
    optimizer = _made(config)
    apart = {id(variable) for variable in decaying}
    optimizer.exclude_from_weight_decay([each for each in learning if id(each) not in apart])
    optimizer.build(learning)
    return optimizer


def decays_by_itself(config: ModelerConfig) -> bool:
    """Whether the optimizer sees to the weight decay, instead of L2 in the gradients."""
    return config.optimizer in ("adamw", "lamb", "lars", "muon")


def _made(config: ModelerConfig) -> keras.Optimizer:
    shared = {"learning_rate": config.learning_rate, "name": "optimizer"}
    beta_1, beta_2 = config.betas
    adaptive = shared | {"beta_1": beta_1, "beta_2": beta_2, "epsilon": config.epsilon}
    match config.optimizer:
        case "momentum":
            return SGD(momentum=config.momentum, nesterov=config.nesterov, **shared)
        case "sgd":
            return SGD(**shared)
        case "adam":
            return Adam(**adaptive)
        case "adamw":
            return AdamW(weight_decay=config.weight_decay, **adaptive)
        case "lamb":
            return Lamb(weight_decay=config.weight_decay, **adaptive)
        case "lars":
            return Lars(
                momentum=config.momentum, decay=config.weight_decay, trust=config.trust, **shared
            )
        case "muon":
            return Muon(
                momentum=config.momentum,
                decay=config.weight_decay,
                dense_rate=config.dense_rate,
                vector_rate=config.vector_rate,
                **shared,
            )
        case "rmsprop":
            options = {"rho": config.rho, "momentum": config.momentum, "epsilon": config.epsilon}
            return RMSprop(**options, **shared)
        case other:
            raise AssertionError(f"{other} passed the config's check and is not known here")
