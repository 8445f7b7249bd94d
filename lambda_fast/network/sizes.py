"""Which images a network takes."""

from lambda_fast.config import ConfigError


def require_sides(network: str, image_shape: tuple[int, int, int], least: int) -> None:
    """Refuses images that a network would halve to nothing.

    Args:
        network: its name, for the message.
        image_shape: (height, width, channels).
        least: pixels of the shorter side.

    Raises:
        ConfigError: they are smaller.
    """
    if min(image_shape[:2]) < least:
        raise ConfigError(
            f"[{network}] expected images of at least {least} x {least} pixels, found "
            f"{image_shape[0]} x {image_shape[1]}. Enlarge them, or take another modeler.network"
        )
