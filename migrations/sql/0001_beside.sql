-- The quiet tables: schedules, limits, queues, what operators have done, who works.
create table schedules (
    workflow text not null,
    trigger text not null,
    expression text not null,
    timezone text not null,
    input json not null,
    catchup text not null default 'latest' constraint schedules_catchup check (catchup in ('latest', 'skip', 'all')),
    catchup_max integer,
    overlap text not null default 'allow'
        constraint schedules_overlap check (overlap in ('allow', 'skip', 'queue_one', 'cancel_previous')),
    jitter double precision not null default 0,
    starts timestamptz,
    ends timestamptz,
    partition text,
    origin text not null default 'code' constraint schedules_origin check (origin in ('code', 'runtime')),
    paused_at timestamptz,
    paused_by json,
    paused_why text,
    orphaned_at timestamptz,
    over_at timestamptz,  -- there is no window any more
    enabled boolean not null generated always as (num_nonnulls(paused_at, orphaned_at, over_at) = 0) stored,
    next_at timestamptz,
    last_at timestamptz,
    queued_at timestamptz,  -- the window that waits for the run before it
    open_runs uuid[] not null default '{}',  -- those that may not have ended, for what overlaps
    skipped bigint not null default 0,
    skipped_at timestamptz,
    skipped_why text,
    synced_at timestamptz not null,
    primary key (workflow, trigger)
);
create index schedules_next on schedules (next_at) where enabled;
create function tell_schedules() returns trigger language plpgsql as $$
begin
    perform pg_notify(tg_table_schema || '.schedules', '');
    return null;
end $$;
create trigger schedules_are_told after insert or delete
    or update of expression, timezone, starts, ends, paused_at, orphaned_at on schedules
    for each statement execute function tell_schedules();  -- not for the ticks themselves

create table limits (  -- of a name, or under it the state for one value at its path
    key text collate "C" primary key,
    name text not null,
    kind text not null constraint limits_kind check (kind in ('limit', 'rate')),
    n integer,  -- as declared; null for a single value, which has its name's
    per double precision,
    burst integer,
    set_n integer check (set_n >= 0),  -- as an operator has set them
    set_per double precision check (set_per > 0),
    set_burst integer check (set_burst > 0),
    set_at timestamptz,
    tokens double precision,  -- of a rate, when it was last taken from; null is a full bucket
    taken_at timestamptz,
    constraint limits_declared check ((n is not null) = (key = name))
);

create table queues (  -- those that somebody has paused
    queue text primary key,
    paused_at timestamptz not null,
    paused_by json not null,
    paused_why text not null
);

create table operations (  -- who has changed what
    id bigint generated always as identity primary key,
    subject text not null constraint operations_subject check (subject in ('schedule', 'queue', 'limit', 'retention')),
    name text not null,
    verb text not null,
    key text,
    digest text not null,
    at timestamptz not null,
    receipt json not null,
    change json not null
);
create index operations_last on operations (subject, name, id);
create unique index operations_key on operations (subject, name, verb, key) where key is not null;
create trigger operations_are_insert_only before update or delete or truncate on operations
    for each statement execute function refuse_change();

create table workers (
    owner text primary key,
    host text not null,
    pid integer not null,
    role text not null,
    queues text[] not null,
    actions text[] not null,
    version text not null,
    code_version text,
    delivery text not null,
    slots integer,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    left_at timestamptz,  -- it has stopped in good order; the row stays a while, to say who served a queue last
    bell_ok_at timestamptz,
    bell_failed_at timestamptz  -- since when its bells fail; null while they do not
);
create index workers_seen on workers (seen_at) where left_at is null;
