-- ONE
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, r.archived, d.version, d.spec::text as spec, {s}.clock() as now
from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition where r.run_id = :run_id;

-- STATUS
select status from {s}.runs where run_id = :run_id;

-- TERMINAL
select kind, body::text as body from {s}.facts
where run_id = :run_id and kind = any(:kinds) order by seq desc limit 1;

-- BROUGHT
select kind, body::text as body from {s}.facts
where run_id = :run_id and (kind in ('attempt_completed', 'pause_resolved', 'event_received')
    and body->>'step' = any(:steps) or kind = 'run_started' and body->'carried' is not null) order by seq;

-- OPEN
with alive as materialized (
    select owner, queues, actions, slots, bell_failed_at from {s}.workers
    where role = 'worker' and left_at is null and seen_at >= {s}.clock() - make_interval(secs => :alive_for)
), open as (
    select a.*, kind <> 'timer' and claim_id is null as free,
        exists (select from alive where a.kind = 'timer' or queue = any(queues)) as attended,
        exists (select from alive where action = any(actions)) as known,
        exists (select from alive where queue = any(queues) and action = any(actions)) as served
    from {s}.attempts a where run_id = any(:runs)
)
select run_id, kind, step, attempt, action, queue, due_at, lost, claim_id is not null as claimed, owner, claimed_at,
    lease_until, {s}.clock() as now, claim_id is null and not attended as unattended,
    free and attended and not known as unserved,
    free and attended and known and not served as elsewhere, limit_key, rate_key,
    free and exists (select from {s}.queues q where q.queue in (a.queue, '*')) as paused,
    limit_key <> '' and claim_id is null and coalesce((select coalesce(l.set_n, l.n) from {s}.limits l
        where l.key = split_part(a.limit_key, ':', 1)) <= (select count(*) from {s}.attempts b
        where b.limit_key = a.limit_key and b.claim_id is not null and b.lease_until > {s}.clock()), false) as full,
    rate_key <> '' and claim_id is null and coalesce((select coalesce(m.set_n, m.n) = 0 or least(
            coalesce(m.set_burst, m.burst), l.tokens + greatest(extract(epoch from {s}.clock() - l.taken_at), 0)
                * coalesce(m.set_n, m.n) / coalesce(m.set_per, m.per)) < 1 - 1e-9
        from {s}.limits l join {s}.limits m on m.key = l.name where l.key = a.rate_key), false) as spent,
    case when free then (select min(bell_failed_at) from alive w where a.queue = any(w.queues)
        having bool_and(bell_failed_at is not null)) end as unrung_since,
    case when free and served and due_at < {s}.clock() - make_interval(secs => :late) then exists (
        select from alive w where a.queue = any(w.queues) and a.action = any(w.actions) and w.slots > (
            select count(distinct (b.owner, b.claimed_at)) from {s}.attempts b where b.claim_id is not null
                and split_part(b.owner, ':', 1) = split_part(w.owner, ':', 1)
                and split_part(b.owner, ':', 3) = split_part(w.owner, ':', 3))) else false end as idle
from open a order by run_id, step, attempt;

-- USUAL
select step, percentile_cont(0.95) within group (order by seconds)::float8 as seconds from (
    select f.body->>'step' as step,
        extract(epoch from f.at - (f.body->'claim'->>'claimed_at')::timestamptz) as seconds
    from (
        select run_id from (
            select run_id, definition from {s}.runs
            where workflow = :workflow and ended_at is not null and not archived and status = 'completed'
            order by started_at desc, run_id desc limit 2000
        ) newest where definition = :definition limit 100
    ) r join {s}.facts f on f.run_id = r.run_id
    where f.kind = 'attempt_completed' and f.body->>'step' = any(:steps)
) known group by step having count(*) >= 20;

-- ENDINGS
select f.run_id, f.kind, f.body->>'step' as step,
    coalesce(f.body->'error'->>'message', f.body->>'reason') as message, f.body->>'compensation' as compensation
from {s}.facts f where f.run_id = any(:runs) and f.kind in ('run_failed', 'run_cancelled');

-- PROGRESS
select run_id, sum(case kind when 'run_started' then coalesce(json_array_length(body->'carried'), 0) else 1 end) as done
from {s}.facts
where run_id = any(:runs) and (kind in ('run_started', 'event_received')
    or kind = 'attempt_completed' and not starts_with(body->>'step', 'compensate:')
    or kind in ('wait_elapsed', 'pause_resolved') and body->'error' is null) group by run_id;

-- SIZES
select fingerprint, json_array_length(spec->'nodes') as steps from {s}.definitions
where fingerprint = any(:definitions);

-- BY_TAIL
select run_id, workflow, status, started_at from {s}.runs where run_id = any(array(
    select run_id from {s}.facts where seq = 1
        and reverse(right(run_id::text, 12)) ~>=~ :low and reverse(right(run_id::text, 12)) ~<~ :high
        and replace(run_id::text, '-', '') ~ :ends))
order by started_at desc, run_id limit :limit;

-- DEFINITION
select definition from {s}.runs where run_id = :run_id;
