"""The one error that is the user's, and hints that end its sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: says what is wrong, where, and what to do.

    The command line prints it as one sentence and leaves with exit status 2; no traceback.
    """


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that ends an error message: the nearest known word, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
