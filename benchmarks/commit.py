"""Which commit is measured."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commit() -> str:
    """Its hash, with `-dirty` where tracked files differ; `unknown` where this is no checkout."""
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() == ROOT:
            return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        pass
    return "unknown"  # no git, no checkout, or a folder within another project's


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()
