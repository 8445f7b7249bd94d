"""Weights as files hold them, whichever kind of file: arrays by layer.

Files are read here, not through Keras' loaders: those want the network that was saved, head
included, or run what a `.keras` file says. Here nothing of a file is run, and it may hold more, or
less, than the network at hand.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lambda_fast import checkpoint
from lambda_fast.errors import UserError
from lambda_fast.modeler.averages import to_evaluate
from lambda_fast.newest_checkpoint import newest

KINDS = ".h5, .weights.h5, .keras, .safetensors"

# The arrays of a layer, by name (`kernel`) or by number in the layer's own order (`0`).
Layer = dict[str, np.ndarray]


class PretrainedError(UserError, ValueError):
    """Pretrained weights that are absent, unreadable, or of another network."""


@dataclass(frozen=True)
class Weights:
    """What a file holds.

    Attributes:
        source: the file, for messages.
        layers: by name; a layer within another one is `outer/inner`.
        facts: of the run that wrote it, where it is a checkpoint.
    """

    source: str
    layers: dict[str, Layer]
    facts: dict[str, Any] = field(default_factory=dict)


def read(name: str, say: Callable[[str], None] = print) -> Weights:
    """Reads a Keras weights file, a `.keras` file, a checkpoint, or a run's newest checkpoint.

    Args:
        name: of the file, or of the run's `model_dir`; `~` is expanded.
        say: is told of damaged checkpoints that are passed over.

    Raises:
        PretrainedError: there is nothing, or nothing that can be read.
        CheckpointError: the folder has no checkpoint, or the one that is named is damaged.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _checkpoint(*newest(path, "pretrained", say))
    if not path.exists():
        raise PretrainedError(
            f"[pretrained] expected weights at {path}, found nothing. Set modeler.pretrained_model "
            f"to a file ({KINDS}), to a run's model_dir or to imagenet"
        )
    if path.suffix == ".safetensors":
        return _checkpoint(path, checkpoint.read(path))
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                content = io.BytesIO(archive.read("model.weights.h5"))
            with h5py.File(content) as file:
                return Weights(str(path), _numbered(file))
        if path.suffix in (".h5", ".hdf5"):
            with h5py.File(path) as file:
                file_of_names = file.get("model_weights", file)
                named = "layer_names" in file_of_names.attrs
                return Weights(str(path), _named(file_of_names) if named else _numbered(file))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PretrainedError(
            f"[pretrained] expected weights that Keras wrote in {path}, found: {error}. Fetch or "
            "save the file again"
        ) from error
    raise PretrainedError(
        f"[pretrained] expected a file of a known kind ({KINDS}), found {path}. Save the weights "
        "with Keras' save_weights"
    )


def _checkpoint(path: Path, found: checkpoint.Checkpoint) -> Weights:
    layers: dict[str, Layer] = {}
    for name, value in to_evaluate(found.values)[0].items():
        layer, _, leaf = name.removeprefix("model/").rpartition("/")
        layers.setdefault(layer, {})[leaf] = value
    return Weights(str(path), layers, found.facts)


def _named(group: h5py.Group) -> dict[str, Layer]:
    """Of the older kind, which lists names: a layer's arrays, each with a name that holds it."""
    layers: dict[str, Layer] = {}
    for layer in map(_text, group.attrs["layer_names"]):
        names = [_text(name) for name in group[layer].attrs["weight_names"]]
        within = {name.rpartition("/")[0] for name in names}
        for name in names:
            # A layer of layers, such as a whole network, has the inner ones in its arrays' names.
            outer, _, leaf = name.removesuffix(":0").rpartition("/")
            arrays = layers.setdefault(layer if len(within) == 1 else outer, {})
            arrays[leaf] = np.asarray(group[layer][name])
    return layers


def _numbered(file: h5py.File) -> dict[str, Layer]:
    """Of the newer kind: a group a layer, whose `vars` are numbered and know the layer's name."""
    layers: dict[str, Layer] = {}

    def walk(group: h5py.Group, outer: tuple[str, ...]) -> None:
        own = group.get("vars")
        named = outer
        if own is not None and "name" in own.attrs:
            named = (*outer, _text(own.attrs["name"]))
        if own is not None and len(own):
            if named == outer:
                raise KeyError("layers without their names, as Keras before 3.6 wrote them")
            layers["/".join(named)] = {number: np.asarray(own[number]) for number in own}
        for name, inner in group.items():
            if name != "vars" and isinstance(inner, h5py.Group):
                # What a network holds is named in it alone.
                walk(inner, () if name == "layers" else named)

    walk(file, ())
    return layers


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
