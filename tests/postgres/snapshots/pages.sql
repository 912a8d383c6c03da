-- _SHOWN
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, r.archived, r.fold, r.state::text as state, d.version
from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition
where r.run_id = any(array(select run_id from (
    %(streams)s
) page order by place desc, run_id desc limit :limit)) order by %(order)s desc, r.run_id desc;

-- HAVE
select count(*) from (
    select from {s}.attributes where name = :name and value = cast(:value as jsonb) order by started_at desc limit :most
) n;

-- EVERYTHING
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, r.archived, r.fold, r.state::text as state, d.version
from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition
where r.run_id = any(array(select run_id from (
    (select r.run_id, r.started_at as place from {s}.runs r
        where r.ended_at is null
        order by r.started_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.started_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = false and r.status = 'completed'
        order by r.started_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.started_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = false and r.status = 'failed'
        order by r.started_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.started_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = false and r.status = 'cancelled'
        order by r.started_at desc, r.run_id desc limit :limit)
) page order by place desc, run_id desc limit :limit)) order by r.started_at desc, r.run_id desc;

-- UPDATED
select r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, r.started_at, r.updated_at, r.ended_at, r.archived, r.fold, r.state::text as state, d.version
from {s}.runs r left join {s}.definitions d on d.fingerprint = r.definition
where r.run_id = any(array(select run_id from (
    (select r.run_id, r.updated_at as place from {s}.runs r
        where r.ended_at is null
        order by r.updated_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.rested_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = false and r.status = 'completed'
        order by r.rested_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.rested_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = true and r.status = 'completed'
        order by r.rested_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.rested_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = false and r.status = 'failed'
        order by r.rested_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.rested_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = true and r.status = 'failed'
        order by r.rested_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.rested_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = false and r.status = 'cancelled'
        order by r.rested_at desc, r.run_id desc limit :limit)
    union all
    (select r.run_id, r.rested_at as place from {s}.runs r
        where r.ended_at is not null and r.archived = true and r.status = 'cancelled'
        order by r.rested_at desc, r.run_id desc limit :limit)
) page order by place desc, run_id desc limit :limit)) order by r.updated_at desc, r.run_id desc;

-- COUNTS
select status, count(*) as n from (
    select status from {s}.runs where ended_at is null order by started_at desc limit :most) n group by status
union all select 'completed', count(*) from (
    select from {s}.runs r where r.ended_at is not null and r.archived = false and r.status = 'completed' and r.rested_at >= {s}.clock() - interval '24 hours' and r.ended_at >= {s}.clock() - interval '24 hours' order by r.rested_at desc limit :most) n
union all select 'failed', count(*) from (
    select from {s}.runs r where r.ended_at is not null and r.archived = false and r.status = 'failed' and r.rested_at >= {s}.clock() - interval '24 hours' and r.ended_at >= {s}.clock() - interval '24 hours' order by r.rested_at desc limit :most) n
union all select 'cancelled', count(*) from (
    select from {s}.runs r where r.ended_at is not null and r.archived = false and r.status = 'cancelled' and r.rested_at >= {s}.clock() - interval '24 hours' and r.ended_at >= {s}.clock() - interval '24 hours' order by r.rested_at desc limit :most) n;
