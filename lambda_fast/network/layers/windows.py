"""Windows: what convolution and pooling refuse of sizes and images."""

from __future__ import annotations

from typing import Any


def require_whole(layer: str, least: int, **numbers: Any) -> None:
    """Refuses numbers that are not whole, or below the least."""
    for name, value in numbers.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(
                f"[{layer}] expected {name} as a whole number of at least {least}, found {value!r}"
            )


def require_window(
    layer: str, window: tuple[int, int], shape: tuple[int | None, ...], pads: Any
) -> None:
    """Refuses images that are smaller than the window, padding included.

    `pads(extent, size)` gives the zeros before and after an axis.
    """
    if len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            f"[{layer}] expected images [batch, height, width, channels] of a known size, found "
            f"{tuple(shape)}"
        )
    axes = zip(shape[1:3], window, strict=True)
    if any(extent + sum(pads(extent, size)) < size for extent, size in axes):
        raise ValueError(
            f"[{layer}] expected images of at least {window[0]} x {window[1]} pixels, padding "
            f"included, found {tuple(shape)}"
        )
