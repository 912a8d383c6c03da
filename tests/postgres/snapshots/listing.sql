-- PAGE
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, r.fold, r.state::text as state, d.version from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition;

-- ONE
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, d.version, d.spec::text as spec, {s}.clock() as now
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
with alive as (
    select queues, actions from {s}.workers
    where role = 'worker' and left_at is null and seen_at >= {s}.clock() - make_interval(secs => :alive_for)
)
select run_id, kind, step, attempt, action, queue, due_at, lost, claim_id is not null as claimed, owner, claimed_at,
    lease_until, {s}.clock() as now, kind <> 'timer' and claim_id is null
    and exists (select from alive where queue = any(queues))
    and not exists (select from alive where action = any(actions)) as unserved, limit_key, rate_key,
    kind <> 'timer' and claim_id is null and exists (select from {s}.queues q where q.queue = a.queue) as paused,
    limit_key <> '' and claim_id is null and coalesce((select coalesce(l.set_n, l.n) from {s}.limits l
        where l.key = split_part(a.limit_key, ':', 1)) <= (select count(*) from {s}.attempts b
        where b.limit_key = a.limit_key and b.claim_id is not null and b.lease_until > {s}.clock()), false) as full,
    rate_key <> '' and claim_id is null and coalesce((select coalesce(m.set_n, m.n) = 0 or least(
            coalesce(m.set_burst, m.burst), l.tokens + greatest(extract(epoch from {s}.clock() - l.taken_at), 0)
                * coalesce(m.set_n, m.n) / coalesce(m.set_per, m.per)) < 1 - 1e-9
        from {s}.limits l join {s}.limits m on m.key = l.name where l.key = a.rate_key), false) as spent
from {s}.attempts a where run_id = any(:runs) order by run_id, step, attempt;

-- ENDINGS
select f.run_id, f.kind, f.body->>'step' as step,
    coalesce(f.body->'error'->>'message', f.body->>'reason') as message, f.body->>'compensation' as compensation
from {s}.facts f join {s}.runs r on r.run_id = f.run_id and r.rev = f.seq
where f.run_id = any(:runs) and f.kind in ('run_failed', 'run_cancelled');

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
select run_id, workflow, status, started_at from {s}.runs
where reverse(right(run_id::text, 12)) ~>=~ :low and reverse(right(run_id::text, 12)) ~<~ :high
    and replace(run_id::text, '-', '') ~ :ends
order by started_at desc, run_id limit :limit;

-- DEFINITION
select definition from {s}.runs where run_id = :run_id;

-- COUNTS
select status, count(*) as n from {s}.runs
where ended_at is null or ended_at >= {s}.clock() - interval '24 hours' group by status;
