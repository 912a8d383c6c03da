-- _LEVELS
with recursive known(priority) as (
                (select a.priority from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' order by a.priority limit 1)
                union all
                select (select a.priority from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority > known.priority
                    order by a.priority limit 1) from known where known.priority is not null
            )
            select known.priority, coalesce((select t.start from unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1), '') collate "C" as start,
                coalesce((select t.used from unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1), 0) as used
            from known where known.priority is not null;

-- _LANES
with recursive ahead(partition) as (
                (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition >= level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition > ahead.partition
                    order by a.partition limit 1) from ahead where ahead.partition is not null
            ), behind(partition) as (
                (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition < level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {s}.attempts a
                    where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition > behind.partition and a.partition < level.start
                    order by a.partition limit 1) from behind where behind.partition is not null
            ), lane as (
                select * from (
                    select ahead.partition, false as wrapped from ahead
                    union all select behind.partition, true from behind
                ) e
                where (select a.due_at from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition = e.partition
                    order by a.due_at limit 1) <= {s}.clock() limit :most
            )
            select lane.partition, lane.wrapped, lane.weight,
                case when lane.partition = level.start then level.used else 0 end as used,
                ceil(:most * lane.weight::float8 / sum(lane.weight) over ())::integer as quota
            from (
                select lane.*, coalesce((select w.weight from unnest(:w_partition, :w_weight) as w(partition, weight)
                    where w.partition = lane.partition limit 1), 1) as weight from lane
            ) lane;

-- CLAIM
with wall as materialized (
    select is_limited, is_limited and not :surveyed as stands
    from (select (select a.run_id from {s}.attempts a where a.queue = :queue
        and (a.limit_key, a.rate_key) > ('', '') and a.claim_id is null and a.kind <> 'timer'
        order by a.limit_key, a.rate_key limit 1) is not null as is_limited) w
), due as materialized (
    select found.*, g.limit_room, g.rate_room
    from unnest(:g_limit, :g_rate, :g_limit_room, :g_rate_room) as g(limit_key, rate_key, limit_room, rate_room)
    cross join lateral (
        select row.*, lane.wrapped, lane.weight, lane.used, lane.quota
        from (
            with recursive known(priority) as (
                (select a.priority from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' order by a.priority limit 1)
                union all
                select (select a.priority from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority > known.priority
                    order by a.priority limit 1) from known where known.priority is not null
            )
            select known.priority, coalesce((select t.start from unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1), '') collate "C" as start,
                coalesce((select t.used from unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1), 0) as used
            from known where known.priority is not null
) level cross join lateral (
            with recursive ahead(partition) as (
                (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition >= level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition > ahead.partition
                    order by a.partition limit 1) from ahead where ahead.partition is not null
            ), behind(partition) as (
                (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition < level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {s}.attempts a
                    where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition > behind.partition and a.partition < level.start
                    order by a.partition limit 1) from behind where behind.partition is not null
            ), lane as (
                select * from (
                    select ahead.partition, false as wrapped from ahead
                    union all select behind.partition, true from behind
                ) e
                where (select a.due_at from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition = e.partition
                    order by a.due_at limit 1) <= {s}.clock() limit :most
            )
            select lane.partition, lane.wrapped, lane.weight,
                case when lane.partition = level.start then level.used else 0 end as used,
                ceil(:most * lane.weight::float8 / sum(lane.weight) over ())::integer as quota
            from (
                select lane.*, coalesce((select w.weight from unnest(:w_partition, :w_weight) as w(partition, weight)
                    where w.partition = lane.partition limit 1), 1) as weight from lane
            ) lane
) lane cross join lateral (
            select a.ctid as place, a.run_id, a.kind, a.step, a.attempt, a.priority, a.due_at, a.partition,
                a.limit_key, a.rate_key, (a.alone or a.lost > 0 or a.action <> all(:short)) as alone
            from {s}.attempts a
            where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.priority = level.priority and a.partition = lane.partition and a.due_at <= {s}.clock()
                and a.action = any(:served)
            order by a.due_at, a.run_id, a.step limit lane.quota for update skip locked
        ) row
        limit least(:most, g.limit_room, g.rate_room)
    ) found
    where not (select stands from wall) and not exists (select from {s}.queues q where q.queue in (:queue, '*'))
), rounds as (
    select *, (row_number() over (partition by priority, partition order by due_at, run_id, step) - 1 + used) / weight
        as round from due
), ordered as (
    select *, row_number() over (order by priority, round, wrapped, partition, due_at, run_id, step) as n from rounds
), fitting as (
    select *, row_number() over (partition by limit_key order by n) <= limit_room
        and row_number() over (partition by rate_key order by n) <= rate_room as fits from ordered
), within as (
    select *, min(n) over () as first, min(n) filter (where alone) over () as first_alone
    from fitting where fits and n <= :most
), take as materialized (
    select * from within where first_alone is null or n < first_alone or (first_alone = first and n = first)
), lazily as materialized (
    select set_config('synchronous_commit', 'off', true) from take having bool_and(not alone)
), claimed as (
    update {s}.attempts a
    set claim_id = gen_random_uuid(), token_hash = :token_hash, owner = :owner, claimed_at = {s}.clock(),
        lease_until = {s}.clock() + :lease
    from take where a.ctid = take.place returning a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key, take.n
), told as (
    select wall.is_limited, wall.stands, (select count(*) from within) > (select count(*) from take)
        or coalesce((select bool_or(is_full) from (
            select count(*) >= min(quota) and min(quota) < min(least(limit_room, rate_room)) as is_full
            from due group by limit_key, rate_key, priority, partition) lanes), false) as is_left,
        (select count(*) from lazily) as lazily,
        case when :asks or not exists (select from take) then coalesce((select a.due_at from {s}.attempts a
            where a.kind = 'timer' order by a.due_at limit 1) <= {s}.clock(), false) end as rings
    from wall
)
select a.*, r.definition, r.rev, r.head_hash, r.fold,
    case when row_number() over (partition by a.run_id order by a.n) = 1 then r.state::text end as state,
    told.is_limited, told.stands, told.is_left, told.lazily, told.rings
from told left join claimed a on true left join {s}.runs r on r.run_id = a.run_id order by a.n;

-- CLAIM_BEHIND
with wall as materialized (
    select is_limited, is_limited and not :surveyed as stands
    from (select (select a.run_id from {s}.attempts a where a.queue = :queue
        and (a.limit_key, a.rate_key) > ('', '') and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since
        order by a.limit_key, a.rate_key limit 1) is not null as is_limited) w
), due as materialized (
    select found.*, g.limit_room, g.rate_room
    from unnest(:g_limit, :g_rate, :g_limit_room, :g_rate_room) as g(limit_key, rate_key, limit_room, rate_room)
    cross join lateral (
        select row.*, lane.wrapped, lane.weight, lane.used, lane.quota
        from (
            with recursive known(priority) as (
                (select a.priority from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since order by a.priority limit 1)
                union all
                select (select a.priority from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority > known.priority
                    order by a.priority limit 1) from known where known.priority is not null
            )
            select known.priority, coalesce((select t.start from unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1), '') collate "C" as start,
                coalesce((select t.used from unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1), 0) as used
            from known where known.priority is not null
) level cross join lateral (
            with recursive ahead(partition) as (
                (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority = level.priority and a.partition >= level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority = level.priority and a.partition > ahead.partition
                    order by a.partition limit 1) from ahead where ahead.partition is not null
            ), behind(partition) as (
                (select a.partition from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority = level.priority and a.partition < level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {s}.attempts a
                    where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority = level.priority and a.partition > behind.partition and a.partition < level.start
                    order by a.partition limit 1) from behind where behind.partition is not null
            ), lane as (
                select * from (
                    select ahead.partition, false as wrapped from ahead
                    union all select behind.partition, true from behind
                ) e
                where (select a.due_at from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority = level.priority and a.partition = e.partition
                    order by a.due_at limit 1) <= {s}.clock() limit :most
            )
            select lane.partition, lane.wrapped, lane.weight,
                case when lane.partition = level.start then level.used else 0 end as used,
                ceil(:most * lane.weight::float8 / sum(lane.weight) over ())::integer as quota
            from (
                select lane.*, coalesce((select w.weight from unnest(:w_partition, :w_weight) as w(partition, weight)
                    where w.partition = lane.partition limit 1), 1) as weight from lane
            ) lane
) lane cross join lateral (
            select a.ctid as place, a.run_id, a.kind, a.step, a.attempt, a.priority, a.due_at, a.partition,
                a.limit_key, a.rate_key, (a.alone or a.lost > 0 or a.action <> all(:short)) as alone
            from {s}.attempts a
            where a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at >= :since and a.priority = level.priority and a.partition = lane.partition and a.due_at <= {s}.clock()
                and a.action = any(:served)
            order by a.due_at, a.run_id, a.step limit lane.quota for update skip locked
        ) row
        limit least(:most, g.limit_room, g.rate_room)
    ) found
    where not (select stands from wall) and not exists (select from {s}.queues q where q.queue in (:queue, '*'))
), rounds as (
    select *, (row_number() over (partition by priority, partition order by due_at, run_id, step) - 1 + used) / weight
        as round from due
), ordered as (
    select *, row_number() over (order by priority, round, wrapped, partition, due_at, run_id, step) as n from rounds
), fitting as (
    select *, row_number() over (partition by limit_key order by n) <= limit_room
        and row_number() over (partition by rate_key order by n) <= rate_room as fits from ordered
), within as (
    select *, min(n) over () as first, min(n) filter (where alone) over () as first_alone
    from fitting where fits and n <= :most
), take as materialized (
    select * from within where first_alone is null or n < first_alone or (first_alone = first and n = first)
), lazily as materialized (
    select set_config('synchronous_commit', 'off', true) from take having bool_and(not alone)
), claimed as (
    update {s}.attempts a
    set claim_id = gen_random_uuid(), token_hash = :token_hash, owner = :owner, claimed_at = {s}.clock(),
        lease_until = {s}.clock() + :lease
    from take where a.ctid = take.place returning a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key, take.n
), told as (
    select wall.is_limited, wall.stands, (select count(*) from within) > (select count(*) from take)
        or coalesce((select bool_or(is_full) from (
            select count(*) >= min(quota) and min(quota) < min(least(limit_room, rate_room)) as is_full
            from due group by limit_key, rate_key, priority, partition) lanes), false) as is_left,
        (select count(*) from lazily) as lazily,
        case when :asks or not exists (select from take) then coalesce((select a.due_at from {s}.attempts a
            where a.kind = 'timer' order by a.due_at limit 1) <= {s}.clock(), false) end as rings
    from wall
)
select a.*, r.definition, r.rev, r.head_hash, r.fold,
    case when row_number() over (partition by a.run_id order by a.n) = 1 then r.state::text end as state,
    told.is_limited, told.stands, told.is_left, told.lazily, told.rings
from told left join claimed a on true left join {s}.runs r on r.run_id = a.run_id order by a.n;

-- _OLDEST
select a.limit_key, a.rate_key, a.priority, a.partition, a.due_at from {s}.attempts a where a.queue = :queue and a.claim_id is null and a.kind <> 'timer';

-- OLDEST
with recursive lane as (
    (select a.limit_key, a.rate_key, a.priority, a.partition, a.due_at from {s}.attempts a where a.queue = :queue and a.claim_id is null and a.kind <> 'timer' and a.due_at >= coalesce(cast(:since as timestamptz), '-infinity') order by a.limit_key, a.rate_key, a.priority, a.partition, a.due_at limit 1)
    union all
    select n.* from lane cross join lateral (select a.limit_key, a.rate_key, a.priority, a.partition, a.due_at from {s}.attempts a where a.queue = :queue and a.claim_id is null and a.kind <> 'timer'
        and (a.limit_key, a.rate_key, a.priority, a.partition) > (lane.limit_key, lane.rate_key, lane.priority, lane.partition) and a.due_at >= coalesce(cast(:since as timestamptz), '-infinity') order by a.limit_key, a.rate_key, a.priority, a.partition, a.due_at limit 1) n
)
select least(min(due_at), {s}.clock()) from lane;

-- UNDER_TOKEN
select a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key, r.definition, r.rev, r.head_hash, r.fold, r.state::text as state from {s}.attempts a
join {s}.runs r on r.run_id = a.run_id
where a.claim_id is not null and a.owner = :owner and a.token_hash = :token_hash
order by a.priority, a.due_at, a.run_id, a.step;
