"""Every error of queuack-dag, under the store's own tree.

QueuackError
└── DAGError
    ├── DAGValidationError (InvalidRequestError)   the graph can't be run as described
    ├── BranchError                                a node chose a child that it does not have
    ├── MapError                                   what a map goes over is no list or reader
    ├── DAGStateError (RuntimeError)               not now: it was submitted, or has not been
    ├── UnknownRunError (InvalidRequestError, LookupError)
    └── UnknownNodeError (InvalidRequestError, LookupError)
"""

from __future__ import annotations

from queuack_store.errors import InvalidRequestError, QueuackError


class DAGError(QueuackError):
    """The base of what queuack-dag raises."""


class DAGValidationError(DAGError, InvalidRequestError):
    """The DAG can't be run as described; the message names the nodes, `facts["nodes"]` lists them."""


class BranchError(DAGError):
    """A node returned a `Branch` that names no child of it; the message lists those there are."""


class MapError(DAGError):
    """A map can't go over what its node returned, or too few of its items succeeded."""


class DAGStateError(DAGError, RuntimeError):
    """The DAG is not in a state for this: it was submitted already, or has not been yet."""


class UnknownRunError(DAGError, InvalidRequestError, LookupError):
    """No run has this id or key: it never existed or was purged."""


class UnknownNodeError(DAGError, InvalidRequestError, LookupError):
    """The DAG or run has no node of this name or id."""
