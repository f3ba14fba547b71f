"""The job of the demo: count tokens, functions and comment lines of a few Python files."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path


def count_batch(paths: list[str]) -> list[tuple[str, int, int, int]]:
    """Return (module, tokens, functions, comment lines) of each file."""
    return [(Path(path).name, *count(path)) for path in paths]


def count(path: str) -> tuple[int, int, int]:
    """Count one file; what can't be tokenized (test data with bad syntax) counts up to the fault."""
    tokens = functions = comments = 0
    try:
        for token in tokenize.tokenize(io.BytesIO(Path(path).read_bytes()).readline):
            tokens += 1
            functions += token.type == tokenize.NAME and token.string == "def"
            comments += token.type == tokenize.COMMENT
    except (SyntaxError, tokenize.TokenError, UnicodeDecodeError):
        pass
    return tokens, functions, comments
