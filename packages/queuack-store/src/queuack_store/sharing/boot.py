"""The first lines of the owner process: a search path that holds nothing of the starter's, then owner.py.

Run by path (`python -I …/boot.py FILE LOCK_FD FOLDERS`), so that it needs no search path itself: an
isolated interpreter ignores PYTHONPATH, the user's site-packages and the working directory.
"""

import os
import sys
from collections.abc import Callable


def run(prepare: Callable[[], None] = lambda: None) -> None:
    """Leave the starter's process tree, and be the owner; `prepare` comes in between, for tests."""
    if os.fork():
        os._exit(0)  # the starter reaps this one at once; the owner is nobody's child
    # After the standard library, which nothing may shadow, and before an older queuack in site-packages.
    library = os.path.dirname(os.__file__)
    at = sys.path.index(library) + 1 if library in sys.path else len(sys.path)
    sys.path[at:at] = [folder for folder in sys.argv[3].split(os.pathsep) if folder]
    from queuack_store.sharing.owner import main

    prepare()
    # Everything is closed by then; taking the interpreter apart would only keep the last client waiting.
    os._exit(main(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    run()
