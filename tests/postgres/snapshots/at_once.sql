-- START
with heads as (
    insert into {s}.runs (run_id, rev, head_hash, status, workflow, definition, trigger, queue, priority, partition,
        key, attributes, fold, state, started_at, updated_at, ended_at, rested_at)
    select h.run_id, h.rev, h.hash, h.status, h.workflow, h.definition, h.trigger, h.queue, h.priority, h.partition,
        h.key, h.attributes::jsonb, 3, h.state::json, h.at, h.at, h.ended, h.ended
    from unnest(:h_run, :h_rev, :h_hash, :h_status, :h_workflow, :h_definition, :h_trigger, :h_queue, :h_priority, :h_partition, :h_key, :h_attributes, :h_state, :h_at, :h_ended) as h(run_id, rev, hash, status, workflow, definition, trigger, queue, priority, partition, key, attributes, state, at, ended)
    where cast(:now as timestamptz) between {s}.clock() - cast(:behind as interval) and {s}.clock()
        and not exists (select from {s}.retired t where t.run_id = h.run_id and t.until > {s}.clock())
    order by h.run_id on conflict (run_id) do nothing returning run_id
), facts as (
    insert into {s}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from unnest(:f_run, :f_seq, :f_kind, :f_at, :f_body, :f_hash) as f(run_id, seq, kind, at, body, hash)
    where (f.run_id in (select run_id from heads)) is true
), opened as (
    insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until) select o.run_id, o.kind, o.step, o.attempt, o.action, o.queue, o.priority, o.due_at, o.alone, o.partition, o.limit_key, o.rate_key, o.claim_id, o.token_hash, o.owner, o.claimed_at, o.lease_until from unnest(:o_run, :o_kind, :o_step, :o_attempt, :o_action, :o_queue, :o_priority, :o_due, :o_alone, :o_partition, :o_limit, :o_rate, :o_claim, :o_token, :o_owner, :o_claimed, :o_lease) as o(run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    where (o.run_id in (select run_id from heads)) is true
)
select {s}.clock() from heads;

-- START_ALONE
with heads as (
    insert into {s}.runs (run_id, rev, head_hash, status, workflow, definition, trigger, queue, priority, partition,
        key, attributes, fold, state, started_at, updated_at, ended_at, rested_at)
    select h.run_id, h.rev, h.hash, h.status, h.workflow, h.definition, h.trigger, h.queue, h.priority, h.partition,
        h.key, h.attributes::jsonb, 3, h.state::json, h.at, h.at, h.ended, h.ended
    from (values (cast(:h_run as uuid), cast(:h_rev as integer), cast(:h_hash as bytea), cast(:h_status as text), cast(:h_workflow as text), cast(:h_definition as text), cast(:h_trigger as text), cast(:h_queue as text), cast(:h_priority as integer), cast(:h_partition as text), cast(:h_key as text), cast(:h_attributes as text), cast(:h_state as text), cast(:h_at as timestamptz), cast(:h_ended as timestamptz))) as h(run_id, rev, hash, status, workflow, definition, trigger, queue, priority, partition, key, attributes, state, at, ended)
    where cast(:now as timestamptz) between {s}.clock() - cast(:behind as interval) and {s}.clock()
        and not exists (select from {s}.retired t where t.run_id = h.run_id and t.until > {s}.clock())
    order by h.run_id on conflict (run_id) do nothing returning run_id
), facts as (
    insert into {s}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from (values (cast(:f_run as uuid), cast(:f_seq as integer), cast(:f_kind as text), cast(:f_at as timestamptz), cast(:f_body as text), cast(:f_hash as bytea))) as f(run_id, seq, kind, at, body, hash)
    where exists (select from heads)
), opened as (
    insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until) select o.run_id, o.kind, o.step, o.attempt, o.action, o.queue, o.priority, o.due_at, o.alone, o.partition, o.limit_key, o.rate_key, o.claim_id, o.token_hash, o.owner, o.claimed_at, o.lease_until from (values (cast(:o_run as uuid), cast(:o_kind as text), cast(:o_step as text), cast(:o_attempt as integer), cast(:o_action as text), cast(:o_queue as text), cast(:o_priority as integer), cast(:o_due as timestamptz), cast(:o_alone as boolean), cast(:o_partition as text), cast(:o_limit as text), cast(:o_rate as text), cast(:o_claim as uuid), cast(:o_token as bytea), cast(:o_owner as text), cast(:o_claimed as timestamptz), cast(:o_lease as timestamptz))) as o(run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    where exists (select from heads)
)
select {s}.clock() from heads;

-- SETTLE
with held as materialized (
    select r.run_id from unnest(:h_run, :h_before, :h_known) as h(run_id, rev, hash)
    join {s}.runs r on r.run_id = h.run_id and r.rev = h.rev and r.head_hash = h.hash
    where cast(:now as timestamptz) between {s}.clock() - cast(:behind as interval) and {s}.clock()
    order by r.run_id for no key update of r skip locked
), gate as materialized (
    select count(*) = cardinality(:h_run) as opens from held
), gone as (
    delete from {s}.attempts a
    using unnest(:g_run, :g_step, :g_attempt, :g_claim) as g(run_id, step, attempt, claim_id)
    where a.run_id = g.run_id and a.step = g.step and a.attempt = g.attempt
        and a.claim_id is not distinct from g.claim_id and (select opens from gate)
    returning 1
), heads as (
    update {s}.runs r
    set rev = h.rev, head_hash = h.hash, status = h.status, state = h.state::json, fold = 3,
        updated_at = h.at, ended_at = coalesce(r.ended_at, h.ended),
        rested_at = case when h.ended is not null then h.at end
    from unnest(:h_run, :h_before, :h_rev, :h_hash, :h_status, :h_state, :h_at, :h_ended) as h(run_id, before, rev, hash, status, state, at, ended)
    where r.run_id = h.run_id and r.rev = h.before and (select opens from gate) returning 1
), written as (
    insert into {s}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from unnest(:f_run, :f_seq, :f_kind, :f_at, :f_body, :f_hash) as f(run_id, seq, kind, at, body, hash)
    where (select opens from gate)
), opened as (
    insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    select o.run_id, o.kind, o.step, o.attempt, o.action, o.queue, o.priority, o.due_at, o.alone, o.partition, o.limit_key, o.rate_key, case when p.queue is null then o.claim_id end, case when p.queue is null then o.token_hash end, case when p.queue is null then o.owner end, case when p.queue is null then o.claimed_at end, case when p.queue is null then o.lease_until end from unnest(:o_run, :o_kind, :o_step, :o_attempt, :o_action, :o_queue, :o_priority, :o_due, :o_alone, :o_partition, :o_limit, :o_rate, :o_claim, :o_token, :o_owner, :o_claimed, :o_lease) as o(run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    left join lateral (select p.queue from {s}.queues p where p.queue in (o.queue, '*') limit 1) p on true
    where (select opens from gate)
)
select gate.opens, {s}.clock() as now,
    case when gate.opens and ((select count(*) from gone), (select count(*) from heads))
            <> (cardinality(:g_run), cardinality(:h_run))
        then ('the claims that were decided on are held: not ' || gate.opens)::integer end as broken,
    (select array_agg(p.queue) from {s}.queues p where p.queue = any(:o_queue) or p.queue = '*') as paused
from gate;

-- SETTLE_ALONE
with held as materialized (
    select r.run_id from (values (cast(:h_run as uuid), cast(:h_before as integer), cast(:h_known as bytea))) as h(run_id, rev, hash)
    join {s}.runs r on r.run_id = h.run_id and r.rev = h.rev and r.head_hash = h.hash
    where cast(:now as timestamptz) between {s}.clock() - cast(:behind as interval) and {s}.clock()
    order by r.run_id for no key update of r skip locked
), gate as materialized (
    select count(*) = 1 as opens from held
), gone as (
    delete from {s}.attempts a
    using (values (cast(:g_run as uuid), cast(:g_step as text), cast(:g_attempt as integer), cast(:g_claim as uuid))) as g(run_id, step, attempt, claim_id)
    where a.run_id = g.run_id and a.step = g.step and a.attempt = g.attempt
        and a.claim_id is not distinct from g.claim_id and (select opens from gate)
    returning 1
), heads as (
    update {s}.runs r
    set rev = h.rev, head_hash = h.hash, status = h.status, state = h.state::json, fold = 3,
        updated_at = h.at, ended_at = coalesce(r.ended_at, h.ended),
        rested_at = case when h.ended is not null then h.at end
    from (values (cast(:h_run as uuid), cast(:h_before as integer), cast(:h_rev as integer), cast(:h_hash as bytea), cast(:h_status as text), cast(:h_state as text), cast(:h_at as timestamptz), cast(:h_ended as timestamptz))) as h(run_id, before, rev, hash, status, state, at, ended)
    where r.run_id = h.run_id and r.rev = h.before and (select opens from gate) returning 1
), written as (
    insert into {s}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from (values (cast(:f_run as uuid), cast(:f_seq as integer), cast(:f_kind as text), cast(:f_at as timestamptz), cast(:f_body as text), cast(:f_hash as bytea))) as f(run_id, seq, kind, at, body, hash)
    where (select opens from gate)
), opened as (
    insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    select o.run_id, o.kind, o.step, o.attempt, o.action, o.queue, o.priority, o.due_at, o.alone, o.partition, o.limit_key, o.rate_key, case when p.queue is null then o.claim_id end, case when p.queue is null then o.token_hash end, case when p.queue is null then o.owner end, case when p.queue is null then o.claimed_at end, case when p.queue is null then o.lease_until end from (values (cast(:o_run as uuid), cast(:o_kind as text), cast(:o_step as text), cast(:o_attempt as integer), cast(:o_action as text), cast(:o_queue as text), cast(:o_priority as integer), cast(:o_due as timestamptz), cast(:o_alone as boolean), cast(:o_partition as text), cast(:o_limit as text), cast(:o_rate as text), cast(:o_claim as uuid), cast(:o_token as bytea), cast(:o_owner as text), cast(:o_claimed as timestamptz), cast(:o_lease as timestamptz))) as o(run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, claim_id, token_hash, owner, claimed_at, lease_until)
    left join lateral (select p.queue from {s}.queues p where p.queue in (o.queue, '*') limit 1) p on true
    where (select opens from gate)
)
select gate.opens, {s}.clock() as now,
    case when gate.opens and ((select count(*) from gone), (select count(*) from heads))
            <> (1, 1)
        then ('the claims that were decided on are held: not ' || gate.opens)::integer end as broken,
    (select array_agg(p.queue) from {s}.queues p where p.queue = cast(:o_queue as text) or p.queue = '*') as paused
from gate;
