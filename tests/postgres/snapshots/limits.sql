-- DECLARE
insert into {s}.limits as l (key, name, kind, n, per, burst)
select :name, :name, :kind, cast(:n as integer), cast(:per as double precision), cast(:burst as integer)
where not exists (select from {s}.limits k where k.key = :name
    and (k.kind, k.n, k.per, k.burst) is not distinct from (:kind, cast(:n as integer), cast(:per as double precision),
        cast(:burst as integer)))
on conflict (key) do update
set kind = excluded.kind, n = excluded.n, per = excluded.per, burst = excluded.burst;

-- SURVEY
with recursive gate(limit_key, rate_key) as (
    (select a.limit_key, a.rate_key from {s}.attempts a
        where a.queue = :queue and a.claim_id is null and a.kind <> 'timer'
            and (a.limit_key, a.rate_key) > (:after_limit, :after_rate) order by a.limit_key, a.rate_key limit 1)
    union all
    select next.limit_key, next.rate_key from gate g cross join lateral (
        select a.limit_key, a.rate_key from {s}.attempts a
        where a.queue = :queue and a.claim_id is null and a.kind <> 'timer'
            and (a.limit_key, a.rate_key) > (g.limit_key, g.rate_key) order by a.limit_key, a.rate_key limit 1) next
)
select g.limit_key, g.rate_key,
    g.limit_key = '' or (select true from {s}.limits l where l.key = g.limit_key limit 1) is not null as has_limit,
    g.rate_key = '' or (select true from {s}.limits r where r.key = g.rate_key limit 1) is not null as has_rate
from gate g
where (select true from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key
        and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at <= {s}.clock()
        order by a.priority, a.partition, a.due_at limit 1)
    and coalesce((
        select coalesce(m.set_n, m.n, 0) > (select count(*) from {s}.attempts a
            where a.limit_key = g.limit_key and a.claim_id is not null and a.lease_until > {s}.clock())
        from {s}.limits m where m.key = split_part(g.limit_key, ':', 1) limit 1), true)
limit :most;

-- KEEP
insert into {s}.limits (key, name, kind)
select key, split_part(key, ':', 1), kind from unnest(:keys, :kinds) as k(key, kind)
order by key on conflict (key) do nothing;

-- HOLD
select key from {s}.limits where key = any(:keys) order by key for no key update skip locked;

-- ROOM
select l.key, m.kind, coalesce(m.set_n, m.n) as n, coalesce(m.set_per, m.per) as per,
    coalesce(m.set_burst, m.burst) as burst, l.tokens, l.taken_at, {s}.clock() as now,
    (select count(*) from {s}.attempts a
        where a.limit_key = l.key and a.claim_id is not null and a.lease_until > {s}.clock()) as held
from {s}.limits l join {s}.limits m on m.key = l.name where l.key = any(:keys);

-- TAKE
update {s}.limits l set tokens = t.tokens, taken_at = :now
from unnest(:keys, cast(:tokens as double precision[])) as t(key, tokens) where l.key = t.key;

-- WAITING
with recursive place(limit_key, rate_key, queue) as (
    select k.key, null::text collate "C", null::text from unnest(:keys) as k(key)
    union all
    select p.limit_key, next.rate_key, next.queue from place p cross join lateral (
        select a.rate_key, a.queue from {s}.attempts a
        where a.limit_key = p.limit_key and a.claim_id is null and (a.limit_key <> '' or a.rate_key <> '')
            and (a.rate_key, a.queue) > (coalesce(p.rate_key, ''), coalesce(p.queue, ''))
        order by a.rate_key, a.queue limit 1) next
)
select distinct p.queue from place p
where p.queue is not null and exists (select from {s}.attempts a
    where a.limit_key = p.limit_key and a.rate_key = p.rate_key and a.queue = p.queue and a.claim_id is null
        and (a.limit_key <> '' or a.rate_key <> '') and a.due_at <= {s}.clock());

-- ALL
select key as name, kind, n, per, burst, set_n, set_per, set_burst, set_at,
    (select o.receipt::text from {s}.operations o where o.subject = 'limit' and o.name = l.key and l.set_at is not null
        order by o.id desc limit 1) as receipt,
    (select true from {s}.limits v where v.key > l.key || ':' and v.key < l.key || ';' limit 1) is not null as by_value,
    (select count(*) from {s}.attempts a
        where a.limit_key = l.key and a.claim_id is not null and a.lease_until > {s}.clock())
    + (select count(*) from {s}.attempts a
        where a.limit_key > l.key || ':' and a.limit_key < l.key || ';'
            and a.claim_id is not null and a.lease_until > {s}.clock()) as held
from {s}.limits l where key = name order by name;

-- LOCK
select key as name, kind, n, per, burst, set_n, set_per, set_burst, set_at,
    (select o.receipt::text from {s}.operations o where o.subject = 'limit' and o.name = l.key and l.set_at is not null
        order by o.id desc limit 1) as receipt,
    (select true from {s}.limits v where v.key > l.key || ':' and v.key < l.key || ';' limit 1) is not null as by_value,
    (select count(*) from {s}.attempts a
        where a.limit_key = l.key and a.claim_id is not null and a.lease_until > {s}.clock())
    + (select count(*) from {s}.attempts a
        where a.limit_key > l.key || ':' and a.limit_key < l.key || ';'
            and a.claim_id is not null and a.lease_until > {s}.clock()) as held
from {s}.limits l where key = name and name = :name
 for no key update of l;

-- SET
update {s}.limits
set set_n = case when cast(:is_set as boolean) then coalesce(cast(:n as integer), set_n) end,
    set_per = case when cast(:is_set as boolean) then coalesce(cast(:per as double precision), set_per) end,
    set_burst = case when cast(:is_set as boolean) then coalesce(cast(:burst as integer), set_burst) end,
    set_at = case when cast(:is_set as boolean) then {s}.clock() end
where key = :name;

-- QUEUES_OF
select distinct queue from {s}.attempts
where claim_id is null and (limit_key <> '' or rate_key <> '') and due_at <= {s}.clock()
    and :name in (split_part(limit_key, ':', 1), split_part(rate_key, ':', 1));

-- FORGET
delete from {s}.limits l where l.key <> l.name and (l.taken_at is null or l.taken_at < {s}.clock() - interval '7 days')
    and not exists (select from {s}.attempts a where a.limit_key = l.key or a.rate_key = l.key);
