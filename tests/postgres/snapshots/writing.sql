-- WRITE
with gone as (
    delete from {s}.attempts a
    using unnest(:g_run, :g_step, :g_attempt, :g_claim) as g(run_id, step, attempt, claim_id)
    where a.run_id = g.run_id and a.step = g.step and a.attempt = g.attempt
        and a.claim_id is not distinct from g.claim_id and true
    returning 1
), heads as (
    update {s}.runs r
    set rev = h.rev, head_hash = h.hash, status = h.status, state = h.state::json, fold = 3,
        updated_at = h.at, ended_at = coalesce(r.ended_at, h.ended),
        rested_at = case when h.ended is not null then h.at end
    from unnest(:h_run, :h_before, :h_rev, :h_hash, :h_status, :h_state, :h_at, :h_ended) as h(run_id, before, rev, hash, status, state, at, ended)
    where r.run_id = h.run_id and r.rev = h.before and true returning 1
), written as (
    insert into {s}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from unnest(:f_run, :f_seq, :f_kind, :f_at, :f_body, :f_hash) as f(run_id, seq, kind, at, body, hash)
    where true
), opened as (
    insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    select o.run_id, o.kind, o.step, o.attempt, o.action, o.queue, o.priority, o.due_at, o.alone, o.partition, o.limit_key, o.rate_key, case when p.queue is null then o.claim_id end, case when p.queue is null then o.token_hash end, case when p.queue is null then o.owner end, case when p.queue is null then o.claimed_at end, case when p.queue is null then o.lease_until end from unnest(:o_run, :o_kind, :o_step, :o_attempt, :o_action, :o_queue, :o_priority, :o_due, :o_alone, :o_partition, :o_limit, :o_rate, :o_claim, :o_token, :o_owner, :o_claimed, :o_lease) as o(run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    left join lateral (select p.queue from {s}.queues p where p.queue in (o.queue, '*') limit 1) p on true
    where true
), freed as (
    update {s}.attempts a
    set claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null,
        due_at = b.due_at, lost = b.lost
    from unnest(:b_run, :b_step, :b_attempt, :b_claim, :b_due, :b_lost) as b(run_id, step, attempt, claim_id, due_at, lost)
    where a.run_id = b.run_id and a.step = b.step and a.attempt = b.attempt
        and a.claim_id is not distinct from b.claim_id returning 1
)
select (select count(*) from gone) as gone, (select count(*) from freed) as freed,
    (select count(*) from heads) as heads, (select array_agg(p.queue) from {s}.queues p where p.queue = any(:o_queue) or p.queue = '*') as paused;
