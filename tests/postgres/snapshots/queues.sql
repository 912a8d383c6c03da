-- PAUSED
select queue, paused_at, paused_by, paused_why from {s}.queues where queue = :queue;

-- ALL_PAUSED
select queue, paused_at, paused_by, paused_why from {s}.queues order by queue;

-- PAUSE
insert into {s}.queues (queue, paused_at, paused_by, paused_why)
values (:queue, {s}.clock(), cast(:by as json), :why) on conflict (queue) do nothing;

-- RESUME
delete from {s}.queues where queue = :queue;

-- KNOWN
select exists (select from {s}.attempts where queue = :queue and claim_id is null and kind <> 'timer')
    or exists (select from {s}.queues where queue = :queue)
    or exists (select from {s}.workers where :queue = any(queues))
    or exists (select from {s}.attempts where queue = :queue);

-- NAMES
select distinct queue from {s}.attempts where kind <> 'timer'
union select queue from {s}.queues union select unnest(queues) from {s}.workers;
