-- AFTER
select run_id, rev from {s}.runs where run_id > :after order by run_id limit :most;

-- SAMPLE
select run_id, rev from {s}.runs tablesample system (least(100, 100.0 * 50 * :most / greatest(:most, (
    select reltuples from pg_class where oid = cast(:runs as regclass))))::real) order by random() limit :most;

-- NUMBER
select count(*) from {s}.runs;

-- HEADS
select run_id, rev, head_hash, status, workflow, definition, trigger, queue, priority, partition, fold,
    state::text as state, ended_at, rested_at, archived, attributes
from {s}.runs where run_id = any(:runs) order by run_id;

-- LOCK
select run_id from {s}.runs where run_id = any(:runs) order by run_id for no key update skip locked;

-- LOCK_WAITING
select run_id from {s}.runs where run_id = any(:runs) order by run_id for no key update;

-- STREAMS
select run_id, seq, kind, at, body::text as body, hash from {s}.facts where run_id = any(:runs) order by run_id, seq;

-- ROWS
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key from {s}.attempts a where a.run_id = any(:runs) order by a.run_id, a.step, a.attempt;

-- SET_ASIDE
with gone as (delete from {s}.attempts where run_id = any(:runs))
update {s}.runs set state = null where run_id = any(:runs) and ended_at is null returning run_id;

-- CLEAR
delete from {s}.attempts a using unnest(:g_run, :g_kind, :g_step, :g_attempt) as g(run_id, kind, step, attempt)
where a.run_id = g.run_id and a.kind = g.kind and a.step = g.step and a.attempt = g.attempt;

-- FILL
insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key,
    rate_key, lost)
select * from unnest(:o_run, :o_kind, :o_step, :o_attempt, :o_action, :o_queue, :o_priority, :o_due, :o_alone,
    :o_partition, :o_limit, :o_rate, :o_lost);

-- KEEP
update {s}.runs r
set status = h.status, state = h.state::json, fold = 3, updated_at = h.at, ended_at = h.ended,
    rested_at = case when h.ended is not null then h.at end, archived = h.archived, attributes = h.attributes::jsonb,
    workflow = h.workflow, definition = h.definition, trigger = h.trigger, queue = h.queue, priority = h.priority,
    partition = h.partition
from unnest(:h_run, :h_rev, :h_status, :h_state, :h_at, :h_ended, :h_workflow, :h_definition, :h_trigger, :h_queue,
    :h_priority, :h_partition, :h_archived, :h_attributes) as h(run_id, rev, status, state, at, ended, workflow,
    definition, trigger, queue, priority, partition, archived, attributes)
where r.run_id = h.run_id and r.rev = h.rev;
