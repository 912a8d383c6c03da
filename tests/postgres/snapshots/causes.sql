-- AHEAD
select count(*) from (
    select from {s}.attempts a join {s}.attempts me on me.run_id = :run_id and me.step = :step and me.kind <> 'timer'
    where a.queue = me.queue and a.claim_id is null and a.kind <> 'timer' and a.due_at <= {s}.clock()
        and (a.priority, a.due_at, a.run_id, a.step) < (me.priority, me.due_at, me.run_id, me.step)
    limit :most
) ahead;

-- HOLDERS
select a.run_id, a.step, a.lease_until from {s}.attempts a
where a.limit_key = :key and a.claim_id is not null and a.lease_until > {s}.clock()
order by a.lease_until limit :most;
