-- RENEW
with mine as (
    select a.run_id, a.kind, a.step, a.attempt, a.lease_until <= {s}.clock() as was_over
    from {s}.attempts a join unnest(:runs, :steps, :attempts, :claims) as k(run_id, step, attempt, claim_id) on a.run_id = k.run_id and a.step = k.step and a.attempt = k.attempt and a.claim_id is not distinct from k.claim_id for update of a skip locked
)
update {s}.attempts a set lease_until = greatest(a.lease_until, {s}.clock() + :lease) from mine m
where a.run_id = m.run_id and a.kind = m.kind and a.step = m.step and a.attempt = m.attempt
returning a.claim_id, m.was_over;

-- STILL_HELD
select a.claim_id from {s}.attempts a join unnest(:runs, :steps, :attempts, :claims) as k(run_id, step, attempt, claim_id) on a.run_id = k.run_id and a.step = k.step and a.attempt = k.attempt and a.claim_id is not distinct from k.claim_id;

-- READ_ROWS
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key, {s}.clock() as now from {s}.attempts a join unnest(:runs, :steps, :attempts) as k(run_id, step, attempt) on a.run_id = k.run_id and a.step = k.step and a.attempt = k.attempt;

-- LOOK
select {s}.clock() as now, array_agg(k.n::integer) as held,
    array_agg(k.n::integer) filter (where a.lease_until <> k.lease_until) as moved,
    array_agg(a.lease_until) filter (where a.lease_until <> k.lease_until) as moved_to
from unnest(:runs, :steps, :attempts, :claims, :tokens, :leases) with ordinality
    as k(run_id, step, attempt, claim_id, token_hash, lease_until, n)
join {s}.attempts a on a.run_id = k.run_id and a.step = k.step and a.attempt = k.attempt and a.claim_id is not distinct from k.claim_id and a.token_hash = k.token_hash;

-- LOCK_WHOLE
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key, {s}.clock() as now from {s}.attempts a
where a.run_id = any(:runs) order by a.run_id, a.step, a.attempt for update of a;

-- CLOCK
select {s}.clock();

-- EXPIRED
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key from {s}.attempts a
where a.claim_id is not null and a.lease_until <= {s}.clock() order by a.lease_until limit :most;

-- OF_OWNER
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key from {s}.attempts a
where a.claim_id is not null and a.owner = :owner order by a.run_id, a.step limit :most;

-- TIMERS
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key from {s}.attempts a where a.kind = 'timer' and a.due_at <= {s}.clock() order by a.due_at limit :most;

-- DUE_QUEUES
select q from unnest(:queues) as q
where exists (select from {s}.attempts a
    where a.queue = q and a.kind <> 'timer' and a.claim_id is null and a.due_at <= {s}.clock())
    and not exists (select from {s}.queues p where p.queue in (q, '*'));
