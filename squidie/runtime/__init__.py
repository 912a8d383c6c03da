"""What a host holds: `Squidie`, the handle to one partition, and the handle to one run."""

from squidie.engine.permission import Authorize, RunFacts, StepFacts, Visibility
from squidie.engine.replaying import Preview
from squidie.engine.signals import Signal, signal_from
from squidie.runtime.letters import DeadLetters, TakenUp
from squidie.runtime.partition import Partition
from squidie.runtime.run import Run
from squidie.runtime.showing import LettersSeen, Views
from squidie.runtime.squidie import Squidie
from squidie.runtime.steering import CancelledRuns
from squidie.views.visibility import Scope

__all__ = [
    "Authorize",
    "CancelledRuns",
    "DeadLetters",
    "LettersSeen",
    "Partition",
    "Preview",
    "Run",
    "RunFacts",
    "Scope",
    "Signal",
    "Squidie",
    "StepFacts",
    "TakenUp",
    "Views",
    "Visibility",
    "signal_from",
]
