"""CSVs of `path,label`: one image a line, every fault named with its line."""

from __future__ import annotations

import csv
import os
from array import array
from pathlib import Path

from lambda_fast.data.fetch import DataError

# What may stand in the first line instead of an image.
PATH_WORDS = {"path", "image", "image_path", "filename", "file", "filepath", "file_name"}
LABEL_WORDS = {"label", "class", "label_id", "class_id", "target", "label_name", "class_name"}

# The largest label where nothing says how many classes there are: it becomes their number.
MAX_GUESSED_LABEL = 2**20


class Labels(dict):
    """Label texts to numbers, each worked out on its first use.

    Args:
        names: of the classes; none if they have numbers alone.
        classes: how many there are; 0: as many as names, or unknown.
    """

    def __init__(self, names: tuple[str, ...] | None, classes: int) -> None:
        super().__init__()
        self.names = names
        self._classes = len(names) if names else classes

    def __missing__(self, text: str) -> int:
        self[text] = number = self._number(text.strip())
        return number

    def _number(self, text: str) -> int:
        """Raises ValueError: what was expected, and the remedy."""
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            number = int(text[:20])
            limit = self._classes or MAX_GUESSED_LABEL
            if 0 <= number < limit:
                return number
            remedy = f" There are {limit} classes." if self._classes else " Set num_classes."
            raise ValueError(f"a label from 0 to {limit - 1}, found {text}.{remedy}")
        if self.names is None:
            raise ValueError(
                f"a label from 0, found {text!r}. To use names, list them in a file of class names."
            )
        if self.names.count(text) != 1:
            known = "a name of several classes" if text in self.names else repr(text)
            raise ValueError(f"a number or one of {len(self.names)} class names, found {known}.")
        return self.names.index(text)


def read_into(
    paths: list[str], labels: array, lines: array, file: Path, to_label: Labels, before: int
) -> int:
    """Appends what a CSV lists.

    Args:
        paths: gets absolute paths.
        labels: gets int32.
        lines: gets int32: the number of the line in which each begins, and `before`.
        file: the CSV. Relative paths in it count from its folder, `~` is the home folder.
        to_label: turns the second column into a label.
        before: lines of the CSVs before this one.

    Returns:
        `before` and the lines of this one.

    Raises:
        DataError: names the file, and the line if there is one.
    """
    folder = f"{str(file.parent.absolute()).rstrip('/')}/"
    had = len(paths)
    end = 0  # the last line of the record before
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            for row in reader:
                begin, end = end + 1, reader.line_num
                try:
                    path, label = row
                    number = to_label[label]
                except ValueError as error:
                    if not row or (begin == 1 and _is_header(row)):
                        continue
                    raise _bad_line(file, begin, _fault(row, error)) from error
                if not path.strip() or "\0" in path:
                    raise _bad_line(file, begin, f"a path, found {path!r}.")
                if path[0] == "~":
                    path = os.path.expanduser(path)  # noqa: PTH111 - a Path would be slow here
                paths.append(path if path[0] == "/" else folder + path)
                labels.append(number)
                lines.append(before + begin)
    except OSError as error:
        remedy = "Give a CSV of path,label, or a folder of class folders."
        raise unreadable(file, error, remedy) from error
    except csv.Error as error:
        raise _bad_line(file, end + 1, f"path,label, found {error}.") from error
    except UnicodeDecodeError as error:
        raise _bad_line(file, _line_not_utf8(file), "text in UTF-8, found other bytes.") from error
    if len(paths) == had:
        raise DataError(f"[{file}] expected lines of path,label, found none.")
    return before + end


def read_paths(file: Path) -> list[str]:
    """The paths in the first column of a CSV, whatever stands in the others.

    Args:
        file: relative paths in it count from its folder, `~` is the home folder.

    Raises:
        DataError: names the file, and the line if there is one.
    """
    paths = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            for row in reader:
                first = row[0].strip() if row else ""
                header = not paths and first.casefold() in PATH_WORDS
                if not row or header:
                    continue
                if not first or "\0" in first:
                    raise _bad_line(file, reader.line_num, f"a path, found {row[0]!r}.")
                paths.append(str(file.parent.absolute() / Path(first).expanduser()))
    except OSError as error:
        raise unreadable(file, error, "Give a CSV whose first column is a path.") from error
    except csv.Error as error:
        raise _bad_line(file, reader.line_num, f"a CSV, found {error}.") from error
    except UnicodeDecodeError as error:
        raise _bad_line(file, _line_not_utf8(file), "text in UTF-8, found other bytes.") from error
    if not paths:
        raise DataError(f"[{file}] expected paths of images, found none.")
    return paths


def unreadable(file: Path, error: OSError, remedy: str) -> DataError:
    """The error of a file that cannot be opened or read."""
    found = error.strerror or str(error)
    return DataError(f"[{file}] expected a readable file, found: {found}. {remedy}")


def _is_header(row: list[str]) -> bool:
    words = [word.strip().casefold() for word in row]
    return len(row) == 2 and words[0] in PATH_WORDS and words[1] in LABEL_WORDS


def _fault(row: list[str], error: ValueError) -> str:
    if len(row) == 2:
        return str(error)
    if len(row) == 1:
        return f"path,label, found one column, {row[0][:80]!r}."
    return f"path,label, found {len(row)} columns. A path with a comma goes in double quotes."


def _bad_line(file: Path, line: int, fault: str) -> DataError:
    return DataError(f"[{file} line {line}] expected {fault}")


def _line_not_utf8(file: Path) -> int:
    """The first line that is not UTF-8: decoding ran ahead of the reader by a buffer."""
    with file.open("rb") as content:
        for number, line in enumerate(content, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1  # it has changed meanwhile
