-- ABOUT
select run_id, workflow, definition, partition, status, queue, priority, attributes, ended_at is null as is_open
from {s}.runs where run_id = :run_id;

-- AWAITING
select f.run_id, bool_or(c.run_id is not null) as is_keyed, bool_or(r.ended_at is null) as is_open
from {s}.facts f join {s}.runs r on r.run_id = f.run_id
    left join {s}.receipts c on c.run_id = f.run_id and c.verb = :verb and c.key = cast(:key as text)
where f.kind = 'event_awaited' and f.body->>'event' = :event and r.workflow = :workflow
    and (cast(:correlation as text) is null or coalesce(f.body->>'correlation', :correlation) = :correlation)
    and (r.ended_at is null or c.run_id is not null)
    and (cast(:within as text) is null or r.partition = :within)
group by f.run_id limit :limit;

-- CLOSED
select closed_as, closed_by->>'request_id' as request_id, closed_by->>'key' as key, closed_by->>'digest' as digest
from {s}.dead_letters where run_id = :run_id and step = :step order by seq desc limit 1;

-- CLOCK
select {s}.clock();
