"""A row of work and the lease on it (4.1, 4.3)."""

from uuid import UUID

from squidie.history.attempts import Lease, OpenAttempt
from squidie.history.facts import Claim
from tests.pure.scene import NOON, RUN, TOKEN, after

LEASE = Lease(UUID(int=1), TOKEN, "host:1:boot", NOON, after(30))
ROW = OpenAttempt(RUN, "a", 2, "shop:a", "default", 100, NOON, lost=1)


def test_an_attempt_is_named_by_run_step_and_number():
    assert ROW.key == (RUN, "a", 2)


def test_a_claim_is_told_without_its_token():
    """3: the facts"""
    claim = LEASE.ended(3)

    assert claim == Claim(id=str(UUID(int=1)), n=3, owner="host:1:boot", claimed_at=NOON, lease_until=after(30))


def test_a_row_given_back_is_due_again_under_the_same_number():
    """4.3, 4.4."""
    held = ROW.held(LEASE)
    assert held.lease == LEASE

    freed = held.given_back(after(5), lost=False)
    lost = held.given_back(after(5), lost=True)

    assert (freed.key, freed.lease, freed.due_at, freed.lost) == (ROW.key, None, after(5), 1)
    assert lost.lost == 2


def test_a_renewal_moves_the_end_of_a_lease_and_nothing_else():
    """4.7."""
    renewed = Lease(UUID(int=1), TOKEN, "host:1:boot", NOON, after(60))

    assert ROW.held(LEASE).until(after(60)) == ROW.held(renewed)
    assert ROW.until(after(60)) == ROW
