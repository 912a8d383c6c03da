-- PAGE
with page as (
    select * from (
        (select run_id, workflow, status, partition, started_at, ended_at from {s}.runs
            where ended_at is not null and archived = false and status = 'completed'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)
        union all (select run_id, workflow, status, partition, started_at, ended_at from {s}.runs
            where ended_at is not null and archived = false and status = 'failed'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)
        union all (select run_id, workflow, status, partition, started_at, ended_at from {s}.runs
            where ended_at is not null and archived = false and status = 'cancelled'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)
        union all (select run_id, workflow, status, partition, started_at, ended_at from {s}.runs
            where ended_at is not null and archived = true and status = 'completed'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)
        union all (select run_id, workflow, status, partition, started_at, ended_at from {s}.runs
            where ended_at is not null and archived = true and status = 'failed'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)
        union all (select run_id, workflow, status, partition, started_at, ended_at from {s}.runs
            where ended_at is not null and archived = true and status = 'cancelled'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)
    ) over order by started_at, run_id limit :most
), cutoff as (
    select * from unnest(:workflows, :statuses, :befores) as c(workflow, status, before)
)
select page.*, coalesce(ended_at < coalesce(
        (select before from cutoff c where c.workflow = page.workflow and c.status = page.status),
        (select before from cutoff c where c.workflow = '' and c.status = page.status)), false) as is_over
from page order by started_at, run_id;

-- SIZES
select run_id, count(*) as facts, coalesce(sum(pg_column_size(body)), 0)::bigint as bytes
from {s}.facts where run_id = any(:runs) group by run_id;

-- IN_USE
with young as materialized (
    select run_id, parent_run_id, started_at from {s}.runs where ended_at is null
    union all select run_id, parent_run_id, started_at from {s}.runs where ended_at is not null and archived in (false, true) and status in ('completed', 'failed', 'cancelled') and rested_at between :at and 'infinity' and ended_at > :at
)
select distinct v.run_id::uuid as run_id
from young r join {s}.facts f on f.run_id = r.run_id and f.seq = 1
cross join lateral (values
    (f.body->>'replay_of'), (f.body->'forked_from'->>'run'), (r.parent_run_id::text)) v(run_id)
where r.started_at >= coalesce(cast(:since as timestamptz), '-infinity') and v.run_id is not null;

-- RETIRE
select run_id from unnest(:runs) with ordinality as r(run_id, n)
where {s}.retire(run_id, make_interval(secs => :keep_for)) order by n;

-- FORGET
with gone as (
    delete from {s}.retired where run_id = any(array(
        select run_id from {s}.retired where until <= {s}.clock() limit :most for update skip locked)) returning run_id
), receipts as (
    delete from {s}.receipts p using gone where p.run_id = gone.run_id
)
select count(*) from gone;
