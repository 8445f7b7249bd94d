"""The doctor: looks at what a run needs, says what is wrong and which command mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lambda_fast.errors import UserError

Verdict = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        name: of what was looked at.
        verdict: `ok`; `note`: a run works without it; `wrong`: a run fails or is false.
        found: what is there.
        remedy: the command that mends it, where there is something to mend.
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def looked_at(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a look finds; an error that ends it is a finding as well."""
    try:
        yield from look()
    except UserError as error:
        yield Finding(name, "wrong", str(error))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        yield Finding(name, "wrong", f"{type(error).__name__}: {first}")
