"""Every workload, by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import asleep, idle, laden, latency, parallel, slow, starts, takeover, throughput
from benchmarks.contenders import BY_GROUP, BY_STEP, LISTENING, OURS, WIDE, ThroughCelery, ThroughNotify

if TYPE_CHECKING:
    from benchmarks.figures import Workload
    from benchmarks.peer import Peer

WORKLOADS = (
    throughput.W1,
    latency.W2,
    parallel.W3,
    laden.W4,
    idle.W5,
    takeover.W6,
    asleep.W7,
    slow.W8,
    starts.W9,
)
"""All there is."""

QUICK = (
    replace(throughput.W1, repeat=2),
    replace(latency.W2, repeat=2, size=40),
    replace(parallel.W3, repeat=2),
    replace(laden.W4, repeat=2),
    replace(idle.W5, size=10, contenders=OURS),
    replace(asleep.W7, repeat=1, contenders=(asleep.EMPTY, asleep.LADEN.scaled(0.2))),
    replace(slow.W8, contenders=slow.W8.contenders[:1]),
    replace(starts.W9, repeat=2),
)
"""What `make bench` measures, within five minutes."""


def with_peers(peers: tuple[Peer, ...]) -> tuple[Workload, ...]:
    """What `make bench-peers` measures: those workloads that others have an answer to, with the same floors."""

    def able(name: str) -> tuple[Peer, ...]:
        return tuple(peer for peer in peers if name in peer.can)

    w1, w2, w3, w5 = throughput.W1, latency.W2, parallel.W3, idle.W5
    twice = tuple(replace(peer, processes=2) for peer in able("W1") if peer.driver in {"dbos", "absurd", "chain"})
    ours = (ThroughCelery(1), ThroughCelery(2), ThroughNotify(1), ThroughNotify(2))
    return (
        replace(
            w1,
            lines=w1.lines[:2] + throughput.BESIDE + w1.lines[2:],
            contenders=(BY_STEP, BY_GROUP, *ours, *able("W1"), *twice),
            against=w1.against + throughput.AGAINST_PEERS,
        ),
        replace(w2, size=40, contenders=(LISTENING, *OURS, *able("W2"))),
        replace(
            w3,
            lines=w3.lines[:4] + parallel.BESIDE + w3.lines[4:],
            contenders=(WIDE, *OURS, *able("W3")),
            against=w3.against + parallel.AGAINST_PEERS,
        ),
        replace(w5, contenders=(*OURS, *able("W5"))),
    )
