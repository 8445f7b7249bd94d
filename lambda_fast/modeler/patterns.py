"""Variables chosen by patterns of their names, and told by a few of these."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from lambda_fast.config import ConfigError

MOST = 30  # names that an error lists
SHOWN = 4  # names that a line of a run lists


def matching(patterns: Sequence[str], names: Sequence[str], field: str) -> set[str]:
    """The names that a pattern matches.

    Args:
        patterns: as of `fnmatch`, of whole names or of their layers; `*` also matches `/`.
        names: of variables, such as `stem_conv/kernel`; its layer is `stem_conv`.
        field: of the config, for the message.

    Raises:
        ConfigError: a pattern matches nothing; the message lists the names.
    """
    found: set[str] = set()
    for pattern in patterns:
        matched = {
            name for name in names if any(fnmatchcase(each, pattern) for each in _and_layers(name))
        }
        if not matched:
            rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
            raise ConfigError(
                f"[config] expected {field} to match names of variables; found {pattern!r}, which "
                f"matches none of {', '.join(names[:MOST])}{rest}"
            )
        found |= matched
    return found


def _and_layers(name: str) -> Iterator[str]:
    """A name, its layer, and the layers around that."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def told(names: Sequence[str]) -> str:
    """How many there are, and the first few."""
    some = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"{len(names)} ({some})" if names else "0"
