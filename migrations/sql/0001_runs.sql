-- Runs and their facts, which are insert-only; and what runs are found by.
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
