"""Imports TensorFlow without its start-up notes, which no environment variable silences."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


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
    """Imports TensorFlow; TF_CPP_MIN_LOG_LEVEL=0 in the environment shows its notes."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with stderr_held_back():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
