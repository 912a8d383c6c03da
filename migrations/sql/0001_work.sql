-- Open work, what was given up, and what keeps keys; how a run is removed as a whole.
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
