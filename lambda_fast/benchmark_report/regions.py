"""Fills the regions of a document that results belong in.

A region starts with a line `<!-- results:NAME -->` and ends with `<!-- end of results -->`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lambda_fast.benchmark_report.record import ResultsError

END = "<!-- end of results -->"
_MARKER = re.compile(r"^<!-- (?:results:(\S+)|(end of results)) -->\n", re.MULTILINE)


def names(document: str, where: str) -> list[str]:
    """Of the document's regions, in their order.

    Args:
        document: Markdown.
        where: it is from, for the error.

    Raises:
        ResultsError: it has none, or one that is not ended before the next.
    """
    inside, found = None, []
    for marker in _MARKER.finditer(f"{document}\n"):
        name = marker.group(1)
        if (name is None) == (inside is None):
            wrong = f"results:{inside}, which is not ended" if inside else f"a lone {END}"
            raise ResultsError(
                f"[{where}] expected each <!-- results:NAME --> to be followed by {END}, found "
                f"{wrong}. Put the missing line there"
            )
        inside = name
        found += [name] if name else []
    if inside or not found:
        lacks = f"results:{inside}, which is not ended" if inside else "none"
        raise ResultsError(
            f"[{where}] expected regions from <!-- results:NAME --> to {END}, found {lacks}. "
            "Put both lines where the results belong"
        )
    return found


def fill(document: str, contents: Mapping[str, str], where: str) -> str:
    """The document with its regions replaced.

    Args:
        document: Markdown.
        contents: of the regions, by their names.
        where: it is from, for the error.

    Raises:
        ResultsError: as in `names`, or a name without contents.
    """
    for name in names(document, where):
        if name not in contents:
            raise ResultsError(
                f"[{where}] expected regions named {', '.join(contents)}; found {name!r}. "
                "Take one of those"
            )
        region = re.compile(rf"(<!-- results:{re.escape(name)} -->\n).*?({END})", re.DOTALL)
        document = region.sub(lambda m, c=contents[name]: f"{m[1]}\n{c}\n\n{m[2]}", document)
    return document
