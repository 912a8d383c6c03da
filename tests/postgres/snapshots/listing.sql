-- PAGE
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, d.version from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition;

-- ONE
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, d.version, d.spec::text as spec, {s}.clock() as now
from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition where r.run_id = :run_id;

-- STATUS
select status from {s}.runs where run_id = :run_id;

-- TERMINAL
select kind, body::text as body from {s}.facts
where run_id = :run_id and kind = any(:kinds) order by seq desc limit 1;

-- DONE
select body::text as body from {s}.facts
where run_id = :run_id and kind = 'attempt_completed' and body->>'step' = any(:steps) order by seq;

-- OPEN
select run_id, step, attempt, action, queue, due_at, lost, claim_id is not null as claimed, owner, claimed_at,
    lease_until, {s}.clock() as now
from {s}.attempts where run_id = any(:runs) order by run_id, step, attempt;

-- ENDINGS
select f.run_id, f.kind, f.body->>'step' as step,
    coalesce(f.body->'error'->>'message', f.body->>'reason') as message
from {s}.facts f join {s}.runs r on r.run_id = f.run_id and r.rev = f.seq
where f.run_id = any(:runs) and f.kind in ('run_failed', 'run_cancelled');

-- PROGRESS
select run_id, count(*) as done from {s}.facts
where run_id = any(:runs) and kind = 'attempt_completed' group by run_id;

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

-- WORKERS
select owner, host, pid, role, queues, version, delivery, started_at, seen_at, bell_ok_at, {s}.clock() as now
from {s}.workers order by role, owner;

-- DUE
select queue, count(*) filter (where claim_id is null and due_at <= {s}.clock()) as due,
    min(due_at) filter (where claim_id is null and due_at <= {s}.clock()) as oldest,
    count(*) filter (where claim_id is null and due_at > {s}.clock()) as later,
    count(*) filter (where claim_id is not null and lease_until > {s}.clock()) as held,
    count(*) filter (where claim_id is not null and lease_until <= {s}.clock()) as expired, {s}.clock() as now
from {s}.attempts group by queue order by queue;

-- LETTERS
select count(*) as n, max(at) as latest from {s}.dead_letters;
