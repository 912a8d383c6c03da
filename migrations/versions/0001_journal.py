"""The journal: runs, facts, attempts, definitions, and the quiet tables around them.

The SQL stands in `UP` and `DOWN`, so that a host can run it from an Alembic history of its own. It names no schema:
whoever runs it sets `search_path`.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = """
create function clock() returns timestamptz language sql stable parallel safe
    return statement_timestamp();  -- `squidie.testing.clock` puts one here that a test can set

create table definitions (
    fingerprint text primary key,
    workflow text not null,
    version text,
    spec json not null,
    at timestamptz not null
);

create table runs (  -- what never changes stands first: an update then logs only what comes after it
    run_id uuid primary key,
    workflow text not null,
    definition text not null,
    trigger text not null,
    queue text not null,
    priority smallint not null constraint runs_priority check (priority between 0 and 999),
    partition text,
    key text,
    parent_run_id uuid,
    attributes jsonb,
    started_at timestamptz not null,
    status text not null constraint runs_status
        check (status in ('running', 'paused', 'compensating', 'completed', 'failed', 'cancelled')),
    fold smallint not null,
    rev integer not null check (rev > 0),
    head_hash bytea not null,
    updated_at timestamptz not null,
    ended_at timestamptz,
    rested_at timestamptz,  -- of an ended run, when it was last written: at its end, or by a note after it
    archived boolean not null default false,
    state json,
    constraint runs_ended check ((ended_at is not null) = (status in ('completed', 'failed', 'cancelled'))),
    constraint runs_rested check ((ended_at is null) = (rested_at is null)),
    constraint runs_archived check (ended_at is not null or not archived)
) with (fillfactor = 50,  -- a run is updated a few times in a row: with room beside it, its indexes are not touched
    autovacuum_vacuum_scale_factor = 0.05);  -- what has ended stands in `runs_open` until then, to be passed over
create index runs_open on runs (started_at, run_id) where ended_at is null;
create index runs_over on runs (archived, status, started_at, run_id) where ended_at is not null;
create index runs_over_of on runs (workflow, archived, status, started_at, run_id) where ended_at is not null;
create index runs_over_in on runs (partition, archived, status, started_at, run_id)
    where ended_at is not null and partition is not null;
create index runs_rested on runs (archived, status, rested_at, run_id) where ended_at is not null;

create table attributes (  -- what runs are found by, a row for each value; `runs.attributes` says the same of one run
    name text collate "C" not null,
    value jsonb not null,
    started_at timestamptz not null,  -- the run's: a page of those that have it is a part of this key
    run_id uuid not null,
    primary key (name, value, started_at, run_id)
);

create table facts (
    run_id uuid not null,
    seq integer not null check (seq > 0),
    kind text not null,
    at timestamptz not null,
    body json not null,
    hash bytea not null check (length(hash) = 32),
    primary key (run_id, seq)
);
create index facts_short_id on facts (reverse(right(run_id::text, 12)) text_pattern_ops)
    where seq = 1;  -- of runs it would be written once more at their end
create index facts_awaited on facts ((body->>'event')) where kind = 'event_awaited';
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% are insert-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;
create trigger facts_are_insert_only before update or truncate on facts
    for each statement execute function refuse_change();
create trigger facts_are_not_deleted before delete on facts
    for each statement when (coalesce(current_setting('squidie.retiring', true), '') = '')
    execute function refuse_change();
create trigger facts_are_kept before delete on facts
    for each row when (current_setting('squidie.retiring', true) is distinct from old.run_id::text)
    execute function refuse_change();  -- `retire` alone says which run it removes

create table attempts (
    run_id uuid not null,
    kind text not null default 'step' constraint attempts_kind check (kind in ('step', 'compensation', 'timer')),
    step text not null,
    attempt integer not null check (attempt > 0),
    action text not null,
    queue text not null,
    priority smallint not null constraint attempts_priority check (priority between 0 and 999),
    due_at timestamptz not null,
    lost smallint not null default 0,
    alone boolean not null default false,
    partition text collate "C" not null default '',  -- none is ''; like the keys, it is compared by its bytes
    limit_key text collate "C" not null default '',
    rate_key text collate "C" not null default '',
    claim_id uuid,
    token_hash bytea,
    owner text,
    claimed_at timestamptz,
    lease_until timestamptz,
    primary key (run_id, step, attempt, kind),
    constraint attempts_claim check (num_nonnulls(claim_id, token_hash, owner, claimed_at, lease_until) in (0, 5))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
create index attempts_due on attempts
    (queue, limit_key, rate_key, priority, partition, due_at, run_id, step)  -- claims leap from lane to lane in it
    where claim_id is null and kind <> 'timer';
create index attempts_limited on attempts (limit_key, rate_key, queue, due_at)
    where claim_id is null and (limit_key <> '' or rate_key <> '');
create index attempts_slots on attempts (limit_key, lease_until) where claim_id is not null and limit_key <> '';
create index attempts_timers on attempts (due_at) where kind = 'timer';
create index attempts_lease on attempts (lease_until) where claim_id is not null;

create table dead_letters (
    run_id uuid not null,
    step text not null,
    attempt integer not null,
    seq integer not null,
    workflow text not null,
    queue text not null,
    partition text,
    reason text not null,
    code text not null,
    fingerprint text not null,  -- what failed the same way has the same
    disposition text not null,
    error json not null,
    claims integer not null,
    owner text,  -- who held the last of them
    first_failed_at timestamptz not null,
    at timestamptz not null,
    closed_at timestamptz,
    closed_as text constraint dead_letters_closed_as check (closed_as in ('requeued', 'discarded')),
    closed_by json,  -- the receipt of who did it
    closed_why text,
    primary key (run_id, step, attempt)
);
create index dead_letters_at on dead_letters (at, run_id, step, attempt);
create index dead_letters_open on dead_letters (at, run_id, step, attempt) where closed_at is null;
create index dead_letters_alike on dead_letters (fingerprint, at, run_id, step, attempt) where closed_at is null;

create table receipts (
    run_id uuid not null,
    verb text not null,
    key text not null,
    digest text not null,
    seq integer not null,
    at timestamptz not null,
    seen integer not null default 0,
    primary key (run_id, verb, key)
);

create table retired (  -- what is left of a run that retention has removed, for as long as its key is remembered
    run_id uuid primary key,
    workflow text not null,
    status text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    head_hash bytea not null,
    retired_at timestamptz not null,
    until timestamptz not null
);
create function retire(run uuid, keep interval) returns boolean language plpgsql set search_path from current as $$
declare had record;
begin
    insert into retired (run_id, workflow, status, started_at, ended_at, head_hash, retired_at, until)
        select run_id, workflow, status, started_at, ended_at, head_hash, clock(), clock() + keep
        from runs where run_id = run and ended_at is not null for update
        on conflict (run_id) do update  -- a key that was forgotten, and used again
        set workflow = excluded.workflow, status = excluded.status, started_at = excluded.started_at,
            ended_at = excluded.ended_at, head_hash = excluded.head_hash, retired_at = excluded.retired_at,
            until = excluded.until;
    if not found then
        return false;
    end if;
    perform set_config('squidie.retiring', run::text, true);
    delete from facts where run_id = run;
    perform set_config('squidie.retiring', '', true);
    delete from dead_letters where run_id = run;
    for had in  -- one by one: each is found by its key, however many there are of others
        select r.started_at, e.key as name, v.value from runs r, jsonb_each(r.attributes) e, jsonb_array_elements(
            case jsonb_typeof(e.value) when 'array' then e.value else jsonb_build_array(e.value) end) v
        where r.run_id = run and r.attributes is not null
    loop
        delete from attributes where (name, value, started_at, run_id) = (had.name, had.value, had.started_at, run);
    end loop;
    delete from runs where run_id = run;
    return true;
end $$;

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
"""

DOWN = """
drop function retire(uuid, interval);
drop table workers, operations, queues, limits;
drop table schedules, retired, receipts, dead_letters, attempts, facts, attributes, runs, definitions;
drop function tell_schedules();
drop function refuse_change();
drop function clock();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
