-- SEEN
insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, started_at, seen_at, bell_ok_at)
values (:owner, :host, :pid, :role, :queues, :actions, :version, :delivery, {s}.clock(), {s}.clock(),
    {s}.clock() - make_interval(secs => :silence))
on conflict (owner) do update set queues = excluded.queues, actions = excluded.actions, seen_at = excluded.seen_at,
    bell_ok_at = coalesce(excluded.bell_ok_at, {s}.workers.bell_ok_at);

-- GONE
delete from {s}.workers where owner = :owner;

-- FORGET
delete from {s}.workers where seen_at < {s}.clock() - interval '1 day';
