"""What a host holds: `Squidie`, the handle to one partition, and the handle to one run."""

from squidie.engine.permission import Authorize, RunFacts, StepFacts
from squidie.engine.replaying import Preview
from squidie.engine.signals import Signal, signal_from
from squidie.runtime.letters import DeadLetters, TakenUp
from squidie.runtime.partition import Partition
from squidie.runtime.run import Run
from squidie.runtime.squidie import Squidie
from squidie.runtime.steering import CancelledRuns

__all__ = [
    "Authorize",
    "CancelledRuns",
    "DeadLetters",
    "Partition",
    "Preview",
    "Run",
    "RunFacts",
    "Signal",
    "Squidie",
    "StepFacts",
    "TakenUp",
    "signal_from",
]
