"""One or more ways to break each rule of a journal, and which rules cannot help breaking with it."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from tests.support.forging import FAR, NOW


class Corruption(NamedTuple):
    """`harm(forge, runs)` breaks the rule, and these others."""

    rule: str
    harm: object
    others: frozenset


CORRUPTIONS = []
OPEN = ("next", 1, FAR.total_seconds(), "step")
"""Work for later: a run that has it owes something."""


def breaks(rule, *others):
    def keep(harm):
        CORRUPTIONS.append(Corruption(rule, harm, frozenset(others)))
        return harm

    return keep


# ---------------------------------------------------------------- the stream
@breaks("gap_in_stream", "chain_broken", "never_opened")
def a_fact_is_missing(forge, runs):
    forge.sql("delete from {s}.facts where run_id = :run and seq = 2", run=runs["done"])


@breaks("gap_in_stream")
def the_head_is_ahead(forge, runs):
    forge.sql("update {s}.runs set rev = rev + 1 where run_id = :run", run=runs["done"])


@breaks("fact_without_run")
def the_head_is_missing(forge, runs):
    forge.sql("delete from {s}.runs where run_id = :run", run=runs["asked"])


@breaks("time_went_back")
def a_fact_is_older_than_the_one_before(forge, runs):
    forge.sql("update {s}.facts set at = at - interval '1 day' where run_id = :run and seq = 5", run=runs["done"])
    forge.chain_anew(runs["done"])


@breaks("chain_broken")
def a_body_was_edited(forge, runs):
    forge.sql("update {s}.facts set body = '{}' where run_id = :run and kind = 'run_completed'", run=runs["done"])


@breaks("chain_broken")
def a_time_was_edited(forge, runs):
    forge.sql("update {s}.facts set at = at + interval '1 us' where run_id = :run and seq = 5", run=runs["done"])


@breaks("head_hash_differs")
def the_head_has_another_hash(forge, runs):
    forge.sql("update {s}.runs set head_hash = '' where run_id = :run", run=runs["done"])


@breaks("rested_differs")
def the_head_says_that_nothing_was_written_since(forge, runs):
    forge.sql("update {s}.runs set rested_at = rested_at - interval '1 s' where run_id = :run", run=runs["done"])


@breaks("archived_differs")
def a_run_is_put_away_and_no_fact_says_so(forge, runs):
    forge.sql("update {s}.runs set archived = true where run_id = :run", run=runs["done"])


@breaks("attribute_lost")
def a_run_is_not_found_by_what_it_has(forge, runs):
    forge.sql("""update {s}.runs set attributes = '{"tags": ["a", "b"]}' where run_id = :run""", run=runs["done"])


@breaks("attribute_ghost")
def a_run_is_found_by_what_it_does_not_have(forge, runs):
    forge.sql("insert into {s}.attributes values ('a', '1', now(), :run)", run=runs["done"])


@breaks("status_differs")
def an_ended_run_goes_on(forge, runs):
    forge.sql(
        "update {s}.runs set status = 'running', ended_at = null, rested_at = null where run_id = :run",
        run=runs["cancelled"],
    )


@breaks("status_differs")
def an_open_run_has_ended(forge, runs):
    forge.sql(
        "update {s}.runs set status = 'failed', ended_at = now(), rested_at = updated_at where run_id = :run",
        run=runs["held"],
    )


@breaks("status_differs")
def a_run_has_ended_otherwise(forge, runs):
    forge.sql("update {s}.runs set status = 'completed' where run_id = :run", run=runs["cancelled"])


# ---------------------------------------------------------------- the run
@breaks("start_not_first")
def a_run_starts_twice(forge, runs):
    definition = forge.sql("select definition from {s}.runs where run_id = :run", run=runs["held"]).scalar()
    forge.fact(runs["held"], "run_started", definition=definition)


@breaks("fact_after_end")
def a_run_goes_on_after_its_end(forge, runs):
    forge.fact(runs["done"], "vote_cast", step="a")


@breaks("definition_changed")
def a_head_has_another_definition(forge, runs):
    forge.sql("update {s}.runs set definition = 'another' where run_id = :run", run=runs["held"])


@breaks("definition_changed")
def a_fact_names_another_definition(forge, runs):
    forge.fact(runs["held"], "vote_cast", step="only", definition="another")


@breaks("wait_unbalanced")
def what_was_not_asked_is_answered(forge, runs):
    forge.fact(runs["held"], "pause_resolved", step="ok")


@breaks("wait_unbalanced")
def a_question_is_asked_twice(forge, runs):
    forge.fact(runs["asked"], "pause_opened", step="ask")


@breaks("wait_unbalanced")
def what_is_not_parked_is_requeued(forge, runs):
    forge.fact(runs["held"], "step_requeued", step="only", reason="x")


@breaks("command_twice")
def one_key_caused_two_facts(forge, runs):
    for _ in "12":
        forge.fact(runs["held"], "attributes_changed", by={"verb": "update_attributes", "key": "k"})


@breaks("child_key_twice")
def a_child_is_started_twice(forge, runs):
    child = forge.child(runs["held"], OPEN)
    forge.fact(runs["held"], "child_started", step="call", child_key="k", child_run_id=str(child))


@breaks("child_missing")
def a_child_is_missing(forge, runs):
    forge.fact(runs["held"], "child_started", step="call", child_key="k", child_run_id=str(uuid4()))


@breaks("child_missing")
def a_child_knows_no_parent(forge, runs):
    child = forge.child(runs["held"], OPEN)
    forge.sql("update {s}.runs set parent_run_id = null where run_id = :run", run=child)


@breaks("window_twice")
def a_window_has_two_runs(forge, runs):
    forge.start(OPEN, **_identity(forge, runs["window"], "window"))


@breaks("key_twice")
def a_key_has_two_runs(forge, runs):
    forge.start(OPEN, **_identity(forge, runs["done"], "key"))


@breaks("run_owes_nothing")
def a_run_starts_with_nothing(forge, runs):
    forge.start()


@breaks("run_owes_nothing")
def the_last_step_ends_and_the_run_does_not(forge, runs):
    forge.settle(runs["held"], "attempt_completed", forge.claim(runs["held"], "only"))


@breaks("run_owes_nothing")
def the_last_question_is_answered_and_nothing_follows(forge, runs):
    forge.fact(runs["asked"], "pause_resolved", step="ask")


# ---------------------------------------------------------------- attempts and claims
@breaks("never_opened")
def what_was_never_opened_ends(forge, runs):
    forge.settle(runs["held"], "attempt_completed", forge.claim(runs["held"], "nowhere"))


@breaks("opened_twice")
def an_attempt_is_opened_twice(forge, runs):
    forge.close(runs["later"], "only")
    forge.fact(runs["later"], "attributes_changed", opens=[("only", 1, FAR.total_seconds(), "step")])


@breaks("second_outcome")
def an_attempt_has_two_outcomes(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    for held in (forge.claim(run, "a"), forge.claim(run, "a")):
        forge.settle(run, "attempt_completed", {**held, "claim": {**held["claim"], "claimed_at": _at(forge, 1)}})


@breaks("ending_after_outcome")
def a_settled_attempt_expires(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    forge.settle(run, "attempt_completed", forge.claim(run, "a"))
    held = forge.claim(run, "a", lease=1)
    forge.later(60)
    forge.fact(run, "attempt_expired", **held, due_at=_at(forge, 1), lost=1)


@breaks("claimed_before_due")
def an_attempt_is_claimed_before_its_time(forge, runs):
    run = forge.start(("a", 1, 600, "step"), OPEN)
    forge.settle(run, "attempt_completed", forge.claim(run, "a"))


@breaks("claimed_before_due")
def a_retry_is_claimed_before_its_time(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    held = forge.claim(run, "a", lease=1)
    forge.lose(run, held, wait=600)
    forge.settle(run, "attempt_completed", forge.claim(run, "a"))


@breaks("claims_overlap")
def a_claim_begins_before_the_one_before_has_ended(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    forge.lose(run, forge.claim(run, "a", lease=1), wait=-50)
    held = forge.claim(run, "a")
    held["claim"]["claimed_at"] = _at(forge, -10)
    forge.settle(run, "attempt_completed", held)


@breaks("claims_overlap")
def another_attempt_was_made_due_after_the_clock_had_stepped_back(forge, runs):
    run = forge.start(("a", 1, 0, "step"), ("a", 2, 0, "step"), OPEN)
    forge.fact(run, "attempt_hastened", step="a", attempt=1, due_at=_at(forge, 0), clock=_at(forge, 0))
    forge.settle(run, "attempt_completed", forge.claim(run, "a"))
    forge.lose(run, forge.claim(run, "a", 2, lease=1), wait=-50)
    held = forge.claim(run, "a", 2)
    held["claim"]["claimed_at"] = _at(forge, -10)
    forge.settle(run, "attempt_failed", held, max_attempts=2)


@breaks("claim_ended_twice", "claims_overlap", "claimed_before_due")
def a_holder_settles_after_its_expiry(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    held = forge.claim(run, "a", lease=1)
    forge.lose(run, held)
    forge.settle(run, "attempt_completed", held)


@breaks("claim_ended_twice")
def a_claim_id_is_given_out_again(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    held = forge.claim(run, "a")
    held["claim"]["id"] = _ended_claim(forge, runs["done"])
    forge.settle(run, "attempt_completed", held)


@breaks("ended_before_claimed")
def a_claim_ends_before_it_was_made(forge, runs):
    later = {"claimed_at": _at(forge, 9999), "lease_until": _at(forge, 10099)}
    forge.edit(runs["done"], "attempt_completed", lambda body: body["claim"].update(later))


@breaks("ended_before_claimed")
def a_lease_has_no_length(forge, runs):
    forge.edit(
        runs["done"],
        "attempt_completed",
        lambda body: body["claim"].update(lease_until=body["claim"]["claimed_at"]),
    )


@breaks("too_many_claims")
def an_attempt_is_claimed_after_five_losses(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    for _ in range(5):
        forge.lose(run, forge.claim(run, "a", lease=1))
    forge.settle(run, "attempt_completed", forge.claim(run, "a"))


@breaks("retry_chain")
def a_retry_skips_a_number(forge, runs):
    _fail(forge, again=(3, 0))


@breaks("retry_chain", "due_not_claimed")
def a_retry_is_due_before_its_failure(forge, runs):
    _fail(forge, again=(2, -60))


@breaks("retry_chain")
def there_are_more_tries_than_allowed(forge, runs):
    _fail(forge, again=(2, 0), most=1)


@breaks("taken_from_the_living")
def a_claim_is_taken_from_the_living(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    forge.lose(run, forge.claim(run, "a", lease=3600), wait=FAR.total_seconds())


@breaks("step_completed_twice")
def a_step_is_completed_twice(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    forge.settle(run, "attempt_completed", forge.claim(run, "a"), opens=[("a", 2, 0, "step")])
    forge.settle(run, "attempt_completed", forge.claim(run, "a", 2))


@breaks("ending_without_claim")
def an_outcome_names_no_claim(forge, runs):
    forge.edit(runs["done"], "attempt_completed", lambda body: body.pop("claim"))


@breaks("ending_without_claim")
def an_outcome_names_no_owner(forge, runs):
    forge.edit(runs["done"], "attempt_completed", lambda body: body["claim"].pop("owner"))


@breaks("token_in_fact")
def a_fact_tells_the_token(forge, runs):
    forge.edit(runs["done"], "attempt_completed", lambda body: body["claim"].update(token="secret"))


# ---------------------------------------------------------------- rows against the stream
@breaks("row_lost")
def a_row_is_lost(forge, runs):
    forge.close(runs["later"], "only")


@breaks("row_lost")
def a_timer_is_lost(forge, runs):
    run = forge.start(OPEN)
    forge.fact(run, "wait_started", step="nap", opens=[("nap", 1, FAR.total_seconds(), "timer")])
    forge.close(run, "nap", "timer")


@breaks("row_ghost")
def a_row_belongs_to_nothing(forge, runs):
    forge.row(runs["done"], "a", due=NOW + FAR)


@breaks("row_ghost")
def a_row_outlives_its_outcome(forge, runs):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    forge.fact(run, "attempt_completed", **forge.claim(run, "a", lease=FAR.total_seconds()))
    forge.sql("update {s}.attempts set claim_id = gen_random_uuid() where run_id = :run and step = 'a'", run=run)


@breaks("notice_lost")
def the_end_of_a_child_is_not_told(forge, runs):
    child = forge.child(runs["held"], ("a", 1, 0, "step"), awaited=False)
    forge.settle(child, "attempt_completed", forge.claim(child, "a"))
    forge.end(child)


@breaks("notice_lost")
def the_end_of_a_parent_is_not_told(forge, runs):
    parent = forge.start(OPEN)
    forge.child(parent, OPEN)
    forge.end(parent, "run_cancelled")


@breaks("notice_ghost")
def a_notice_speaks_of_a_stranger(forge, runs):
    forge.notice(runs["held"], runs["done"])


@breaks("half_claimed")
def a_row_is_half_claimed(forge, runs):
    forge.sql("alter table {s}.attempts drop constraint attempts_claim")
    forge.sql("update {s}.attempts set token_hash = null where run_id = :run", run=runs["held"])


@breaks("dead_claim_holds")
def an_ended_claim_holds_a_row(forge, runs):
    claim = UUID(_ended_claim(forge, runs["done"]))
    forge.sql("update {s}.attempts set claim_id = :claim where run_id = :run", claim=claim, run=runs["held"])


@breaks("lost_differs")
def a_row_counts_other_losses(forge, runs):
    forge.sql("update {s}.attempts set lost = 3 where run_id = :run", run=runs["held"])


@breaks("due_differs")
def a_row_is_due_at_another_time(forge, runs):
    forge.sql("update {s}.attempts set due_at = due_at + interval '1 us' where run_id = :run", run=runs["later"])


@breaks("queue_differs")
def a_row_lies_on_another_queue(forge, runs):
    forge.sql("update {s}.attempts set queue = 'another' where run_id = :run", run=runs["later"])


@breaks("limit_differs")
def a_row_is_under_a_limit_that_its_opening_did_not_name(forge, runs):
    forge.sql("update {s}.attempts set limit_key = 'gateway' where run_id = :run", run=runs["later"])


@breaks("rate_differs")
def a_row_is_under_a_rate_that_its_opening_did_not_name(forge, runs):
    forge.sql("update {s}.attempts set rate_key = 'mails' where run_id = :run", run=runs["later"])


@breaks("partition_differs")
def a_row_takes_its_turn_with_another_partition(forge, runs):
    forge.sql("update {s}.attempts set partition = 'somebody_else' where run_id = :run", run=runs["later"])


# ---------------------------------------------------------------- what nobody picks up
@breaks("due_not_claimed")
def work_is_due(forge, runs):
    forge.start(("a", 1, 0, "step"))


@breaks("due_not_claimed")
def a_timer_is_due(forge, runs):
    run = forge.start(OPEN)
    forge.fact(run, "wait_started", step="nap", opens=[("nap", 1, 60, "timer")])


@breaks("lease_ended_not_expired")
def a_lease_is_over(forge, runs):
    run = forge.start(("a", 1, 0, "step"))
    forge.claim(run, "a")


@breaks("child_ended_parent_waits", "notice_lost")
def a_parent_waits_for_a_child_that_has_ended(forge, runs):
    child = forge.child(runs["held"])
    forge.settle(child, "attempt_completed", forge.claim(child, "a"))
    forge.end(child)


@breaks("wait_overdue")
def an_answer_is_overdue(forge, runs):
    run = forge.start()
    forge.fact(run, "pause_opened", step="ok", due_at=_at(forge, 60))


def _at(forge, seconds):
    return (forge.now + timedelta(seconds=seconds)).isoformat()


def _identity(forge, run, by):
    """What makes a run that run, and no other."""
    body = forge.sql("select body from {s}.facts where run_id = :run and seq = 1", run=run).scalar()
    return {name: body[name] for name in ("workflow", "trigger", by)}


def _ended_claim(forge, run):
    found = "select body->'claim'->>'id' from {s}.facts where run_id = :run and kind = 'attempt_completed' limit 1"
    return forge.sql(found, run=run).scalar()


def _fail(forge, again, most=5):
    run = forge.start(("a", 1, 0, "step"), OPEN)
    number, seconds = again
    opens = [("a", number, seconds + FAR.total_seconds() if seconds >= 0 else seconds, "step")]
    forge.settle(run, "attempt_failed", forge.claim(run, "a"), max_attempts=most, opens=opens)
