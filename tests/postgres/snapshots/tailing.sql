-- NOW
select {s}.clock() as now, array(
    select backend_xid::text from pg_stat_activity where datname = current_database() and backend_xid is not null
    union all select transaction::text from pg_prepared_xacts where database = current_database()
) as running;

-- BEFORE
select r.run_id, r.rev, r.workflow, r.started_at, r.ended_at, r.rested_at from {s}.runs r where r.ended_at is null and (cast(:workflow as text) is null or r.workflow = :workflow)
    and (cast(:partition as text) is null or r.partition = :partition)
    and (cast(:only as uuid) is null or r.run_id = :only)
union all select r.run_id, r.rev, r.workflow, r.started_at, r.ended_at, r.rested_at from {s}.runs r where r.ended_at is not null and r.archived in (false, true) and r.status in ('completed', 'failed', 'cancelled') and r.rested_at between :since and 'infinity' and (cast(:workflow as text) is null or r.workflow = :workflow)
    and (cast(:partition as text) is null or r.partition = :partition)
    and (cast(:only as uuid) is null or r.run_id = :only);

-- STARTED
select r.run_id, r.rev, r.workflow, r.started_at, r.ended_at, r.rested_at from {s}.runs r where r.ended_at is null and r.started_at >= :horizon and (cast(:workflow as text) is null or r.workflow = :workflow)
    and (cast(:partition as text) is null or r.partition = :partition)
    and (cast(:only as uuid) is null or r.run_id = :only)
union all select r.run_id, r.rev, r.workflow, r.started_at, r.ended_at, r.rested_at from {s}.runs r where r.ended_at is not null and r.archived in (false, true) and r.status in ('completed', 'failed', 'cancelled') and r.rested_at between :horizon and 'infinity' and (cast(:workflow as text) is null or r.workflow = :workflow)
    and (cast(:partition as text) is null or r.partition = :partition)
    and (cast(:only as uuid) is null or r.run_id = :only);

-- MOVED
select r.run_id, r.rev, r.workflow, r.started_at, r.ended_at, r.rested_at from unnest(cast(:runs as uuid[]), cast(:seqs as int[])) k(run_id, seq)
join {s}.runs r on r.run_id = k.run_id and r.rev > k.seq;

-- AFTER
select k.run_id, f.seq, f.kind, f.at, f.body::text as body, f.hash
from unnest(cast(:runs as uuid[]), cast(:seqs as int[])) k(run_id, seq) cross join lateral (
    select * from {s}.facts f where f.run_id = k.run_id and f.seq > k.seq order by f.seq
) f order by f.at, k.run_id, f.seq;
