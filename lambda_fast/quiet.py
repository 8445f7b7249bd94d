"""Imports TensorFlow without its start-up notes, which no environment variable silences."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def stderr_held_back() -> Iterator[None]:
    """Keeps what native code writes to stderr; shows it if the body raises.

    The notes come before TensorFlow's logging is set up, so its settings do not reach them.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def import_tensorflow() -> None:
    """Imports TensorFlow; TF_CPP_MIN_LOG_LEVEL=0 in the environment shows its notes.

    Without a value of the user's, its errors are shown where there is an NVIDIA driver. Elsewhere
    they would only tell that there is none.
    """
    driver = Path("/proc/driver/nvidia").exists()
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if driver else "3") == "0":
        return
    with stderr_held_back():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
