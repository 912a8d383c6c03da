-- DUE
select workflow, trigger, expression, timezone, input::text as input, catchup, catchup_max, overlap, jitter, starts, ends,
    partition, origin, paused_at, paused_by::text as paused_by, paused_why, orphaned_at, over_at,
    next_at, last_at, queued_at, open_runs, skipped, skipped_at, skipped_why, {s}.clock() as now from {s}.schedules k
where enabled and workflow = any(:workflows) and (origin = 'runtime' or workflow || '.' || trigger = any(:declared)) and workflow || '.' || trigger <> all(:passed)
    and (next_at <= {s}.clock() or (next_at is null and queued_at is null) or (queued_at is not null
    and not exists (select from {s}.runs r where r.run_id = any(k.open_runs) and r.ended_at is null)))
order by next_at nulls first limit 1 for update of k skip locked;

-- NEXT
select coalesce(extract(epoch from min(case when enabled then least(
    case when next_at is null and queued_at is null then {s}.clock() else next_at end,
    case when queued_at is not null
    and not exists (select from {s}.runs r where r.run_id = any(k.open_runs) and r.ended_at is null) then {s}.clock() end) end) - {s}.clock())::float8, 'infinity') as seconds,
    coalesce(bool_or(orphaned_at is not null and origin = 'code'), false) as is_forgotten
from {s}.schedules k where workflow = any(:workflows) and (origin = 'runtime' or workflow || '.' || trigger = any(:declared));

-- MOVE_ON
update {s}.schedules set next_at = :next_at, last_at = coalesce(:last_at, last_at), queued_at = :queued_at,
    open_runs = :open_runs, over_at = :over_at, skipped = skipped + :skipped,
    skipped_at = case when :skipped > 0 then {s}.clock() else skipped_at end,
    skipped_why = case when :skipped > 0 then :why else skipped_why end
where workflow = :workflow and trigger = :trigger;

-- STILL_OPEN
select run_id from {s}.runs where run_id = any(:ids) and ended_at is null;

-- ENDED
select run_id, status from {s}.runs where run_id = any(:ids);

-- WRITE
insert into {s}.schedules as k (workflow, trigger, expression, timezone, input, catchup, catchup_max, overlap, jitter,
    starts, ends, partition, origin, next_at, over_at, synced_at)
values (:workflow, :trigger, :expression, :timezone, cast(:input as json), :catchup, :catchup_max, :overlap, :jitter,
    :starts, :ends, :partition, :origin, :next_at, case when cast(:next_at as timestamptz) is null then {s}.clock() end,
    {s}.clock())
on conflict (workflow, trigger) do update
set expression = excluded.expression, timezone = excluded.timezone, input = excluded.input, origin = excluded.origin,
    catchup = excluded.catchup, catchup_max = excluded.catchup_max, overlap = excluded.overlap,
    jitter = excluded.jitter, starts = excluded.starts, ends = excluded.ends, partition = excluded.partition,
    synced_at = excluded.synced_at,
    orphaned_at = null,
    next_at = case when k.orphaned_at is null and (k.expression, k.timezone, k.starts, k.ends)
        is not distinct from (excluded.expression, excluded.timezone, excluded.starts, excluded.ends)
        then k.next_at else excluded.next_at end,
    over_at = case when k.orphaned_at is null and (k.expression, k.timezone, k.starts, k.ends)
        is not distinct from (excluded.expression, excluded.timezone, excluded.starts, excluded.ends)
        then k.over_at else excluded.over_at end
where (k.expression, k.timezone, k.input::text, k.origin, k.catchup, k.catchup_max, k.overlap, k.jitter, k.starts,
    k.ends, k.partition, k.orphaned_at) is distinct from (excluded.expression, excluded.timezone, excluded.input::text,
    excluded.origin, excluded.catchup, excluded.catchup_max, excluded.overlap, excluded.jitter, excluded.starts,
    excluded.ends, excluded.partition, null)
returning xmax = 0 as is_new;

-- ORPHAN
update {s}.schedules set orphaned_at = {s}.clock(), queued_at = null
where origin = 'code' and orphaned_at is null and workflow = any(:workflows)
    and workflow || '.' || trigger <> all(:declared)
returning workflow, trigger;

-- PAUSE
update {s}.schedules set paused_at = {s}.clock(), paused_by = cast(:by as json), paused_why = :why, queued_at = null
where workflow = :workflow and trigger = :trigger;

-- RESUME
update {s}.schedules set paused_at = null, paused_by = null, paused_why = null, next_at = :next_at,
    over_at = case when cast(:next_at as timestamptz) is null then {s}.clock() end
where workflow = :workflow and trigger = :trigger;

-- REMOVE
delete from {s}.schedules where workflow = :workflow and trigger = :trigger;

-- NOTE_RUN
update {s}.schedules set open_runs = array_append(open_runs[greatest(1, cardinality(open_runs) - 62):], :run_id)
where workflow = :workflow and trigger = :trigger;

-- ALL
select workflow, trigger, expression, timezone, input::text as input, catchup, catchup_max, overlap, jitter, starts, ends,
    partition, origin, paused_at, paused_by::text as paused_by, paused_why, orphaned_at, over_at,
    next_at, last_at, queued_at, open_runs, skipped, skipped_at, skipped_why, {s}.clock() as now from {s}.schedules order by workflow, trigger;

-- ONE
select workflow, trigger, expression, timezone, input::text as input, catchup, catchup_max, overlap, jitter, starts, ends,
    partition, origin, paused_at, paused_by::text as paused_by, paused_why, orphaned_at, over_at,
    next_at, last_at, queued_at, open_runs, skipped, skipped_at, skipped_why, {s}.clock() as now from {s}.schedules where workflow = :workflow and trigger = :trigger;

-- LOCK
select workflow, trigger, expression, timezone, input::text as input, catchup, catchup_max, overlap, jitter, starts, ends,
    partition, origin, paused_at, paused_by::text as paused_by, paused_why, orphaned_at, over_at,
    next_at, last_at, queued_at, open_runs, skipped, skipped_at, skipped_why, {s}.clock() as now from {s}.schedules where workflow = :workflow and trigger = :trigger for update;
