-- SYNC
insert into {s}.schedules as k (workflow, trigger, expression, timezone, input, synced_at)
values (:workflow, :trigger, :expression, :timezone, cast(:input as json), {s}.clock())
on conflict (workflow, trigger) do update
set expression = excluded.expression, timezone = excluded.timezone, input = excluded.input,
    synced_at = excluded.synced_at,
    next_at = case when (k.expression, k.timezone) = (excluded.expression, excluded.timezone) then k.next_at end
where (k.expression, k.timezone, k.input::text) <> (excluded.expression, excluded.timezone, excluded.input::text);

-- DUE
select workflow, trigger, expression, timezone, input, next_at, {s}.clock() as now from {s}.schedules
where enabled and workflow = any(:workflows) and (next_at is null or next_at <= {s}.clock())
order by next_at nulls first limit 1 for update skip locked;

-- MOVE_ON
update {s}.schedules set next_at = :next_at, last_at = coalesce(:last_at, last_at)
where workflow = :workflow and trigger = :trigger;

-- NEXT
select coalesce(extract(epoch from min(coalesce(next_at, {s}.clock())) - {s}.clock())::float8, 'infinity')
from {s}.schedules where enabled and workflow = any(:workflows);
