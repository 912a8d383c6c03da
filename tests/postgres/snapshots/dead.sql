-- ADD
insert into {s}.dead_letters (run_id, step, attempt, seq, workflow, queue, partition, reason, code, fingerprint,
    disposition, error, at, claims, owner, first_failed_at)
select :run_id, :step, :attempt, :seq, :workflow, :queue, :partition, :reason, :code, :fingerprint,
    :disposition, cast(:error as json), :at, count(*),
    (array_agg(f.body->'claim'->>'owner' order by f.seq desc))[1],
    coalesce(min(f.at) filter (where f.kind in ('attempt_failed', 'attempt_expired')
        or f.body->>'reason' = 'child_died'), :at)
from {s}.facts f where f.run_id = :run_id and f.body->>'step' = :step and f.body->'claim' is not null;

-- CLOSE
update {s}.dead_letters set closed_at = :at, closed_as = :how, closed_by = cast(:by as json), closed_why = :why
where run_id = :run_id and step = :step and closed_at is null;

-- OF_RUN
select step, attempt, closed_at, closed_as from {s}.dead_letters
where run_id = :run_id and (cast(:step as text) is null or step = :step) order by seq desc;

-- PAGE
select l.run_id, l.step, l.attempt, l.seq, l.workflow, l.queue, l.partition, l.reason, l.code, l.fingerprint,
    l.disposition, l.error::text as error, l.claims, l.owner, l.first_failed_at, l.at,
    l.closed_at, l.closed_as, l.closed_by::text as closed_by, l.closed_why, r.ended_at is null as is_open
from {s}.dead_letters l join {s}.runs r on r.run_id = l.run_id;

-- GROUPS
select l.fingerprint, count(*) as count, min(l.at) as first_at, max(l.at) as last_at,
    (array_agg(l.run_id order by l.at desc, l.run_id desc))[1] as newest
from {s}.dead_letters l;

-- SAMPLES
select l.fingerprint, l.workflow, l.step, l.queue, l.reason, l.code, l.error::text as error
from unnest(:prints, :runs) as g(fingerprint, run_id)
    join {s}.dead_letters l on l.run_id = g.run_id and l.fingerprint = g.fingerprint
order by l.at;

-- COUNT
select count(*) from {s}.dead_letters l;
