"""An owner process that will be killed at a step: boot.py, with the next failpoint of the file's list.

Clients start it where `failpoints.start_doomed_owners` was called. Run by path, as boot.py is.
"""

import os
import runpy
import sys


def _prepare() -> None:
    from queuack_store.testing.failpoints import take_doom

    take_doom(sys.argv[1])


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    boot = runpy.run_path(os.path.join(os.path.dirname(here), "sharing", "boot.py"))
    boot["run"](_prepare)
