-- DUE_QUEUES
select q from unnest(:queues) as q
where exists (select from {s}.attempts a
    where a.queue = q and a.kind <> 'timer' and a.claim_id is null and a.due_at <= {s}.clock())
    and not exists (select from {s}.queues p where p.queue in (q, '*'));

-- GLANCE
select exists (select from {s}.attempts a where a.claim_id is not null and a.lease_until <= {s}.clock()) as expired,
    exists (select from {s}.attempts a where a.kind = 'timer' and a.due_at <= {s}.clock()) as timers,
    array(
select q from unnest(:queues) as q
where exists (select from {s}.attempts a
    where a.queue = q and a.kind <> 'timer' and a.claim_id is null and a.due_at <= {s}.clock())
    and not exists (select from {s}.queues p where p.queue in (q, '*'))
) as due;
