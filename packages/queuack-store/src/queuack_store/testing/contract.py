"""The contract suite: what every way of having a store must do, unchanged.

Subclass `StoreContract` in a test module and give it a fixture `make_queue` (see `tasks.MakeQueue`).
"""

from __future__ import annotations

from queuack_store.testing.contract_archiving import ArchivingContract
from queuack_store.testing.contract_claims import ClaimContract
from queuack_store.testing.contract_dependencies import DependencyContract
from queuack_store.testing.contract_enqueue import BackpressureContract, EnqueueContract
from queuack_store.testing.contract_growth import GrowthContract
from queuack_store.testing.contract_handles import HandleContract
from queuack_store.testing.contract_history import HistoryContract
from queuack_store.testing.contract_observing import ObservingContract
from queuack_store.testing.contract_upkeep import UpkeepContract
from queuack_store.testing.contract_waiting import WaitingContract


class StoreContract(
    EnqueueContract,
    BackpressureContract,
    ClaimContract,
    WaitingContract,
    DependencyContract,
    GrowthContract,
    UpkeepContract,
    HistoryContract,
    ObservingContract,
    HandleContract,
    ArchivingContract,
):
    """Everything that a queue promises, whichever store is behind it."""
