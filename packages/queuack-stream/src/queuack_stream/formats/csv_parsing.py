"""The standard library's CSV parser, without its limit on a field's length."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

_NO_LIMIT = 2**31 - 1  # a C long on every platform


def parse(lines: Iterable[str]) -> Reader:
    """The records of some lines, which may end anywhere within a quoted field.

    The limit is one for the whole process and there is no other way to lift it; a field that is too long for
    the default of 131,072 characters would else be an error although this package wrote it.
    """
    if csv.field_size_limit() < _NO_LIMIT:
        csv.field_size_limit(_NO_LIMIT)
    return csv.reader(lines, strict=True)
