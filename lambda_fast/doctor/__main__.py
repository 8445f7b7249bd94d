"""Says what this machine can do for a run, what is wrong, and which command mends it.

    python -m lambda_fast.doctor [--json]

The exit code is 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator

from lambda_fast import command
from lambda_fast.doctor import Finding, looked_at
from lambda_fast.quiet import import_tensorflow

EXIT_WRONG = 1


def findings() -> Iterator[Finding]:
    """All of them, in the order in which one thing rests on another."""
    from lambda_fast.doctor import build

    yield from looked_at("packages", build.packages)
    library = list(looked_at("native library", build.library))
    yield from library
    from lambda_fast.doctor.hardware import gpus, processor
    from lambda_fast.doctor.libraries import libraries
    from lambda_fast.doctor.self_tests import self_tests

    yield from looked_at("CPU", processor)
    yield from looked_at("GPUs", gpus)
    yield from looked_at("libraries", libraries)
    if any(finding.verdict == "wrong" for finding in library):
        yield Finding("self-tests", "note", "not made, because of the native library")
    else:
        yield from looked_at("self-tests", self_tests)


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns 0, or 1 if something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m lambda_fast.doctor",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="prints JSON instead of lines")
    options = parser.parse_args(arguments)
    with contextlib.suppress(ImportError):  # which the findings will tell of
        import_tensorflow()
    every = []
    for finding in findings():
        every.append(finding)
        if not options.json:
            _print(finding)
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in every], indent=2))
    wrong = sum(finding.verdict == "wrong" for finding in every)
    if not options.json:
        print(f"{wrong} wrong" if wrong else "nothing is wrong")
    return EXIT_WRONG if wrong else 0


def _print(finding: Finding) -> None:
    print(f"{finding.verdict:<5}  {finding.name:<25}  {finding.found}", flush=True)
    if finding.remedy:
        print(f"{'':<5}  {'':<25}  mend it: {finding.remedy}", flush=True)


if __name__ == "__main__":
    sys.exit(command.main(main))
