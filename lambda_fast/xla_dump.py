"""What XLA makes of the programs, as text files in a folder: for those who read compilers."""

import os
from pathlib import Path

from lambda_fast.config import ConfigError


def dump_xla(folder: str, rank: int, ranks: int) -> None:
    """Asks XLA to write its programs, if there is a folder; before the first one is compiled.

    Args:
        folder: where; with several ranks, each has a folder of its own in it. "" asks for nothing.
        rank: of this process.
        ranks: of the run.

    Raises:
        ConfigError: the folder cannot be made.
    """
    if not folder:
        return
    path = Path(folder).expanduser().resolve()
    path = path / f"rank-{rank}" if ranks > 1 else path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"[callback.xla_dump] expected a folder that can be made, found {path}: "
            f"{error.strerror}. Choose another"
        ) from error
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_dump_to={path}".strip()
