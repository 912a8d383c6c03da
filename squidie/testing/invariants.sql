-- Squidie's invariants: one stream of facts per run, a claim is a lease, how it ended is a fact.
-- squidie_violation   one row = one broken promise, true at EVERY instant (outcome, progress and successor are one commit). Empty = sound.
-- squidie_stuck       one row = something nobody picks up; meaningful only at rest: no fault and no work for max(lease, backoff, sweep) + grace.
-- No promise about outcomes asks a clock: a claim ends by a fact, and its holder may settle until then, after its lease's end too. `taken_from_the_living`
-- alone looks at the end of a lease, and it judges sweepers (fairness), not outcomes.
-- Run with the journal's schema first in search_path; Postgres 14 or later. While work goes on, read both views in one REPEATABLE READ snapshot.
-- Settings: squidie.max_claims (default 5), squidie.grace (seconds, default 0).
--
-- Columns relied on:
--   runs      run_id, rev, head_hash, status, definition, parent_run_id, started_at, updated_at, ended_at, rested_at, archived, attributes
--   attributes  name, value, started_at, run_id: a row for each value
--   facts     run_id, seq, kind, at, body json, hash        hash = sha256(previous hash || 'run/seq/kind/at in microseconds/' || body as stored)
--   attempts  run_id, kind, step, attempt, queue, due_at, lost, claim_id, token_hash, owner, claimed_at, lease_until
--             kind = step, item, compensation, timer or notice; lost = claims lost so far, written only by the fact that ends a claim
--             a notice is no opening of the run's own: it lies with the run to be told, and its step is the id of the run it speaks of
-- Bodies relied on:
--   opens [{step, kind, attempt, queue, due_at}]   on whichever fact made work or a timer due; kind wait or parked: a debt without a row (below)
--   closes [{step, kind, attempt}]                 on whichever fact took something open away without settling it (sibling withdrawn, timer not needed, pause dropped)
--   ends [{step, attempt, claim}]                  on a fact that ends claims without settling them (the end of a run, or of a drain)
--   claim {id, owner, claimed_at, lease_until}     on every fact that ends a claim, the lease as last renewed; due_at where the attempt stays open
--   by {verb, key}                                 on the first fact an accepted command caused, and on no other
--   clock                                          the database's clock, where `at` was lifted above it (to the stream's last `at`, to claimed_at of a claim it ends)
--   Debts without a row: a wait (pause, approval, event, sleep) or a parked step. When a wait is due is a timer's row besides.
--   A resolution (wait_elapsed, pause_resolved, event_received, event_lapsed, deadline_passed) closes the timers of its own step.
--   A migration closes what it renames or drops, and opens it again under the new name, waits included.
--   Notes, and nothing else, may follow the end of a run: run_archived, run_unarchived, attributes_changed.
--   Children, items, notices, migrations and runs that go on as others have their rules already; no code writes such facts yet.
--   Whether a run is archived is the last of its notes about that; `rested_at` is `updated_at` of a run that has ended.
-- tests/postgres/test_invariants.py breaks each rule, and shows a journal in which everything has happened that breaks none.

create or replace temporary view squidie_opening as        -- rows made, by which fact
select f.run_id, f.seq, f.at, f.kind fact, coalesce(o->>'kind', 'step') = 'timer' timer, o->>'step' step, (o->>'attempt')::int attempt,
       o->>'queue' queue, (o->>'due_at')::timestamptz due_at, coalesce(o->>'limit', '') limit_key, coalesce(o->>'rate', '') rate_key
  from facts f, json_array_elements(case when json_typeof(f.body->'opens') = 'array' then f.body->'opens' else '[]' end) o
 where coalesce(o->>'kind', 'step') not in ('wait', 'parked');

create or replace temporary view squidie_ending as         -- how claims ended, and attempts with them; at = the clock, not the lifted time (told_at)
with told as (
  select run_id, seq, coalesce((body->>'clock')::timestamptz, at) at, at told_at, kind, body b from facts
   where kind in ('attempt_completed', 'attempt_failed', 'attempt_dead_lettered', 'attempt_deferred', 'attempt_released', 'attempt_expired')
  union all
  select f.run_id, f.seq, coalesce((f.body->>'clock')::timestamptz, f.at), f.at, 'attempt_withdrawn', e
    from facts f, json_array_elements(case when json_typeof(f.body->'ends') = 'array' then f.body->'ends' else '[]' end) e)
select run_id, seq, at, told_at, kind, b->>'step' step, (b->>'attempt')::int attempt, b->'claim'->>'id' claim_id, b->'claim'->>'owner' owner,
       (b->'claim'->>'claimed_at')::timestamptz claimed_at, (b->'claim'->>'lease_until')::timestamptz lease_until,
       (b->>'due_at')::timestamptz due_at, (b->>'max_attempts')::int max_attempts,
       kind in ('attempt_completed', 'attempt_failed', 'attempt_dead_lettered') is_outcome,
       kind = 'attempt_expired' or (kind = 'attempt_released' and b->>'reason' = 'child_died') is_lost
  from told;

create or replace temporary view squidie_end as            -- the fact that ended a run
select run_id, seq, at, kind, replace(kind, 'run_', '') status from facts where kind in ('run_completed', 'run_failed', 'run_cancelled', 'run_continued');

create or replace temporary view squidie_value as          -- what runs are found by, as their heads say
select r.run_id, r.started_at, e.key name, v.value from runs r, jsonb_each(r.attributes) e,
       jsonb_array_elements(case jsonb_typeof(e.value) when 'array' then e.value else jsonb_build_array(e.value) end) v;

create or replace temporary view squidie_wait as           -- waits for a person, a time or an event: +1 opened, -1 resolved or withdrawn; parked steps likewise
select run_id, seq, kind, body->>'step' step, (body->>'due_at')::timestamptz due_at,
       case when kind in ('pause_opened', 'wait_started', 'event_awaited') then 'wait'
            when kind in ('pause_resolved', 'wait_elapsed', 'event_lapsed') or (kind = 'event_received' and body->>'step' is not null) then 'wait'
            when kind in ('step_requeued', 'step_discarded') or body->>'disposition' = 'parked' then 'parked' end family,
       case when kind in ('pause_opened', 'wait_started', 'event_awaited') or body->>'disposition' = 'parked' then 1 else -1 end change
  from facts where kind in ('pause_opened', 'wait_started', 'event_awaited', 'pause_resolved', 'wait_elapsed', 'event_lapsed', 'step_requeued', 'step_discarded')
    or (kind = 'event_received' and body->>'step' is not null) or (kind in ('attempt_failed', 'attempt_dead_lettered') and body->>'disposition' = 'parked')
union all select f.run_id, f.seq, f.kind, e.item->>'step', (e.item->>'due_at')::timestamptz, e.item->>'kind', e.change from facts f cross join lateral
  (select json_array_elements(case when json_typeof(f.body->'opens') = 'array' then f.body->'opens' else '[]' end) item, 1 change
   union all select json_array_elements(case when json_typeof(f.body->'closes') = 'array' then f.body->'closes' else '[]' end), -1) e
 where e.item->>'kind' in ('wait', 'parked');

create or replace temporary view squidie_link as           -- a run and a child it started; heard = the parent was told of the child's end
select f.run_id, f.seq, f.body->>'step' step, f.body->>'child_key' child_key, f.body->>'child_run_id' child_run_id, f.body->>'cascade' cascade,
       coalesce((f.body->>'awaited')::bool, false) awaited, exists (select from facts d where d.run_id = f.run_id and d.kind = 'child_finished'
         and d.body->>'child_run_id' = f.body->>'child_run_id') heard
  from facts f where f.kind = 'child_started';

create or replace temporary view squidie_closing as        -- rows taken away; attempt null = whatever of that step is open
select run_id, seq, false timer, step, attempt from squidie_ending where is_outcome
union all select f.run_id, f.seq, coalesce(c->>'kind', 'step') = 'timer', c->>'step', (c->>'attempt')::int
  from facts f, json_array_elements(case when json_typeof(f.body->'closes') = 'array' then f.body->'closes' else '[]' end) c
 where coalesce(c->>'kind', 'step') not in ('wait', 'parked')
union all select run_id, seq, true, body->>'step', null from facts
 where kind in ('wait_elapsed', 'pause_resolved', 'event_received', 'event_lapsed', 'deadline_passed') and body->>'step' is not null
union all select f.run_id, f.seq, t.timer, d.step, null from facts f cross join (values (true), (false)) t(timer) cross join lateral
  (select json_object_keys(case when json_typeof(f.body->'renamed') = 'object' then f.body->'renamed' else '{}' end) step
   union select json_array_elements_text(case when json_typeof(f.body->'dropped') = 'array' then f.body->'dropped' else '[]' end)) d
 where f.kind = 'definition_migrated';

create or replace temporary view squidie_due as            -- every word of the stream on when an attempt is due, and every claim made on it
select run_id, seq, timer, step, attempt, due_at, null::timestamptz claimed_at from squidie_opening
union all select run_id, seq, false, step, attempt, due_at, claimed_at from squidie_ending where claim_id is not null
union all select run_id, seq, false, body->>'step', (body->>'attempt')::int, (body->>'due_at')::timestamptz, null from facts where kind = 'attempt_hastened';

create or replace temporary view squidie_open as           -- rows the stream says are open, when they are due, and how many claims on them were lost
with closing as materialized (select * from squidie_closing),
     lost as (select run_id, step, attempt, count(*) filter (where is_lost) n from squidie_ending group by run_id, step, attempt),
     due as (select run_id, timer, step, attempt, (array_agg(due_at order by seq desc) filter (where due_at is not null))[1] due_at
               from squidie_due group by run_id, timer, step, attempt)
select o.run_id, o.timer, o.step, o.attempt, o.queue, o.limit_key, o.rate_key, d.due_at, case when o.timer then 0 else coalesce(l.n, 0) end lost
  from squidie_opening o join due d using (run_id, timer, step, attempt) left join lost l using (run_id, step, attempt)
 where not exists (select from squidie_end e where e.run_id = o.run_id)
   and not exists (select from closing c where (c.run_id, c.timer, c.step, c.attempt) = (o.run_id, o.timer, o.step, o.attempt) and c.seq > o.seq)
   and not exists (select from closing c where (c.run_id, c.timer, c.step) = (o.run_id, o.timer, o.step) and c.attempt is null and c.seq > o.seq);

create or replace temporary view squidie_violation as
with chained as (select *, lag(hash) over w before, lag(at) over w at_before from facts window w as (partition by run_id order by seq)),
     claims as (select *, lag(at) over w ended_before, sum(is_lost::int) over (w rows between unbounded preceding and 1 preceding) lost_before
                  from squidie_ending where claim_id is not null window w as (partition by run_id, step, attempt order by seq)),
     due as (select *, lag(due_at) over (partition by run_id, timer, step, attempt order by seq) due_before from squidie_due),
     waits as (select *, sum(change) over (partition by run_id, family, step order by seq) open from squidie_wait),
     open_rows as materialized (select * from squidie_open),
     owed as (select run_id, sum(change) n from squidie_wait group by run_id),
     links as materialized (select * from squidie_link),
     starts as (select run_id, body->>'workflow' workflow, body->>'trigger' trigger, body->>'partition' part, body->>'window' win, body->>'key' key
                  from facts where kind = 'run_started'),
     bound as (select coalesce(nullif(current_setting('squidie.max_claims', true), '')::int, 5) max_claims)
-- ------------------------------------------------------------------ the stream
select 'gap_in_stream' violation, r.run_id, null::bigint seq, null::text step, format('rev %s, facts %s, seq %s..%s', r.rev, count(f.seq), min(f.seq), max(f.seq)) detail
  from runs r left join facts f using (run_id) group by r.run_id, r.rev having r.rev <> count(f.seq) or r.rev = 0 or min(f.seq) <> 1 or max(f.seq) <> count(f.seq)
union all select 'fact_without_run', f.run_id, f.seq, null, f.kind from facts f where not exists (select from runs r where r.run_id = f.run_id)
union all select 'time_went_back', run_id, seq, null, format('%s after %s', at, at_before) from chained where at < at_before
union all select 'chain_broken', run_id, seq, null, kind from chained
 where hash is distinct from sha256(coalesce(before, ''::bytea)
         || convert_to(format('%s/%s/%s/%s/', run_id, seq, kind, (extract(epoch from at) * 1000000)::bigint), 'UTF8') || convert_to(body::text, 'UTF8'))
union all select 'head_hash_differs', r.run_id, r.rev, null, null from runs r
 where r.head_hash is distinct from (select f.hash from facts f where f.run_id = r.run_id order by f.seq desc limit 1)
union all select 'status_differs', r.run_id, t.seq, null, format('head %s, stream %s', r.status, coalesce(t.status, 'open')) from runs r left join squidie_end t using (run_id)
 where (t.status is null and r.status in ('completed', 'failed', 'cancelled', 'continued')) or t.status <> r.status
union all select 'rested_differs', r.run_id, r.rev, null, r.rested_at::text from runs r
 where r.rested_at is distinct from case when r.ended_at is not null then r.updated_at end
union all select 'archived_differs', r.run_id, r.rev, null, r.archived::text from runs r where r.archived <> coalesce(
  (select f.kind = 'run_archived' from facts f where f.run_id = r.run_id and f.kind in ('run_archived', 'run_unarchived') order by f.seq desc limit 1), false)
-- ------------------------------------------------------------------ what runs are found by: a row for each value that the head has, and no other
union all select 'attribute_lost', v.run_id, null, null, format('%s = %s', v.name, v.value) from squidie_value v
 where not exists (select from attributes a where (a.name, a.value, a.started_at, a.run_id) = (v.name, v.value, v.started_at, v.run_id))
union all select 'attribute_ghost', a.run_id, null, null, format('%s = %s', a.name, a.value) from attributes a
 where not exists (select from squidie_value v where (a.name, a.value, a.started_at, a.run_id) = (v.name, v.value, v.started_at, v.run_id))
-- ------------------------------------------------------------------ the run
union all select 'start_not_first', run_id, min(seq), null, format('%s starts', count(*) filter (where kind = 'run_started')) from facts group by run_id
  having count(*) filter (where kind = 'run_started') <> 1 or min(seq) filter (where kind = 'run_started') <> 1
union all select 'fact_after_end', f.run_id, f.seq, null, f.kind from facts f join squidie_end t on t.run_id = f.run_id and t.seq < f.seq
 where f.kind not in ('run_archived', 'run_unarchived', 'attributes_changed')
union all select 'definition_changed', f.run_id, f.seq, null, f.body->>'definition' from facts f where f.body->>'definition' is not null
   and f.kind not in ('run_started', 'definition_migrated')
union all select 'definition_changed', r.run_id, r.rev, null, r.definition from runs r where r.definition is distinct from
  (select f.body->>'definition' from facts f where f.run_id = r.run_id and f.kind in ('run_started', 'definition_migrated') order by f.seq desc limit 1)
union all select 'wait_unbalanced', run_id, seq, step, format('%s: %s open', family, open) from waits where open not in (0, 1)
union all select 'command_twice', run_id, max(seq), null, format('%s %s', body->'by'->>'verb', body->'by'->>'key') from facts where body->'by'->>'key' is not null
  group by run_id, seq = 1, body->'by'->>'verb', body->'by'->>'key' having count(*) > 1  -- the key of a start is not the run's own
union all select 'child_key_twice', run_id, max(seq), step, child_key from links group by run_id, step, child_key having count(*) > 1
union all select 'child_missing', l.run_id, l.seq, l.step, l.child_run_id from links l  -- of an ended parent the child may have been retired
 where not exists (select from squidie_end t where t.run_id = l.run_id)
   and not exists (select from runs r where r.run_id::text = l.child_run_id and r.parent_run_id = l.run_id)
union all select 'window_twice', min(run_id::text)::uuid, null, null, format('%s %s %s x%s', workflow, trigger, win, count(*)) from starts where win is not null
  group by part, workflow, trigger, win having count(*) > 1
union all select 'key_twice', min(run_id::text)::uuid, null, null, format('%s %s x%s', workflow, key, count(*)) from starts where key is not null
  group by part, workflow, trigger, key having count(*) > 1
union all select 'run_owes_nothing', r.run_id, r.rev, null, r.status from runs r where not exists (select from squidie_end t where t.run_id = r.run_id)
   and not exists (select from open_rows o where o.run_id = r.run_id) and coalesce((select n from owed where owed.run_id = r.run_id), 0) = 0
   and not exists (select from links l where l.run_id = r.run_id and l.awaited and not l.heard)
-- ------------------------------------------------------------------ attempts and claims
union all select 'never_opened', e.run_id, e.seq, e.step, format('%s of attempt %s', e.kind, e.attempt) from squidie_ending e
 where not exists (select from squidie_opening o where (o.run_id, o.step, o.attempt) = (e.run_id, e.step, e.attempt) and not o.timer and o.seq < e.seq)
union all select 'opened_twice', run_id, max(seq), step, format('attempt %s', attempt) from squidie_opening where not timer group by run_id, step, attempt having count(*) > 1
union all select 'second_outcome', run_id, max(seq), step, format('attempt %s x%s', attempt, count(*)) from squidie_ending where is_outcome
  group by run_id, step, attempt having count(*) > 1
union all select 'ending_after_outcome', e.run_id, e.seq, e.step, e.kind from squidie_ending e join squidie_ending o
    on (o.run_id, o.step, o.attempt) = (e.run_id, e.step, e.attempt) and o.is_outcome and o.seq < e.seq where not e.is_outcome
union all select 'claimed_before_due', run_id, seq, step, format('claimed %s, due %s', claimed_at, due_before) from due where claimed_at < due_before
union all select 'claims_overlap', run_id, seq, step, format('claimed %s, the one before ended %s', claimed_at, ended_before) from claims c where claimed_at < ended_before
   and not exists (select from facts h where h.run_id = c.run_id and h.seq < c.seq and h.kind = 'attempt_hastened' and h.body->>'step' = c.step
     and (h.body->>'attempt')::int = c.attempt and h.body->>'clock' is not null and (h.body->>'due_at')::timestamptz <= c.claimed_at)  -- the clock had stepped back, and somebody made it due by that
union all select 'claim_ended_twice', min(run_id::text)::uuid, max(seq), min(step), claim_id from squidie_ending where claim_id is not null group by claim_id having count(*) > 1
union all select 'ended_before_claimed', run_id, seq, step, format('claimed %s, ended %s, lease to %s', claimed_at, told_at, lease_until) from squidie_ending
 where told_at < claimed_at or lease_until <= claimed_at
union all select 'too_many_claims', c.run_id, c.seq, c.step, format('%s lost before', c.lost_before) from claims c, bound where c.lost_before >= bound.max_claims
union all select 'retry_chain', o.run_id, o.seq, o.step, format('attempt %s -> %s', e.attempt, o.attempt)
  from squidie_opening o join squidie_ending e on (e.run_id, e.seq, e.step) = (o.run_id, o.seq, o.step) and e.kind = 'attempt_failed'
 where not o.timer and (o.attempt <> e.attempt + 1 or o.due_at < e.at or o.attempt > coalesce(e.max_attempts, o.attempt))
union all select 'taken_from_the_living', run_id, seq, step, format('expired %s, lease ran to %s', at, lease_until) from squidie_ending where kind = 'attempt_expired' and at < lease_until
union all select 'step_completed_twice', run_id, max(seq), step, format('attempts %s', string_agg(attempt::text, ', ')) from squidie_ending
 where kind = 'attempt_completed' group by run_id, step having count(distinct attempt) > 1
union all select 'ending_without_claim', run_id, seq, step, kind from squidie_ending
 where kind <> 'attempt_dead_lettered' and (claim_id is null or owner is null or claimed_at is null or lease_until is null)
union all select 'token_in_fact', run_id, seq, null, kind from facts where body->>'token' is not null or body->'claim'->>'token' is not null
-- ------------------------------------------------------------------ open work: the attempts table against the stream
union all select 'row_lost', o.run_id, null, o.step, format('attempt %s is open and has no row', o.attempt) from open_rows o
 where not exists (select from attempts a where (a.run_id, a.kind = 'timer', a.step, a.attempt) = (o.run_id, o.timer, o.step, o.attempt) and a.kind <> 'notice')
union all select 'row_ghost', a.run_id, null, a.step, format('attempt %s has a row and is not open', a.attempt) from attempts a
 where a.kind <> 'notice' and not exists (select from open_rows o where (o.run_id, o.timer, o.step, o.attempt) = (a.run_id, a.kind = 'timer', a.step, a.attempt))
union all select 'notice_lost', l.run_id, l.seq, l.step, format('the end of child %s', l.child_run_id) from links l
 where not l.heard and exists (select from squidie_end t where t.run_id::text = l.child_run_id) and not exists (select from squidie_end t where t.run_id = l.run_id)
   and not exists (select from attempts a where (a.run_id, a.kind, a.step) = (l.run_id, 'notice', l.child_run_id))
union all select 'notice_lost', r.run_id, l.seq, l.step, format('the end of parent %s', l.run_id) from links l join runs r on r.run_id::text = l.child_run_id
  join squidie_end p on p.run_id = l.run_id and p.status in ('cancelled', 'failed')
 where l.cascade = 'cancel' and r.status <> 'compensating' and not exists (select from squidie_end t where t.run_id = r.run_id)
   and not exists (select from attempts a where (a.run_id, a.kind, a.step) = (r.run_id, 'notice', l.run_id::text))
union all select 'notice_ghost', a.run_id, null, a.step, a.queue from attempts a where a.kind = 'notice' and not exists (select from links l
 where (l.child_run_id = a.step and l.run_id = a.run_id and not l.heard and exists (select from squidie_end t where t.run_id::text = a.step))
    or (l.child_run_id = a.run_id::text and l.run_id::text = a.step and l.cascade = 'cancel'))
union all select 'half_claimed', run_id, null, step, claim_id::text from attempts where num_nonnulls(claim_id, token_hash, owner, claimed_at, lease_until) not in (0, 5)
union all select 'dead_claim_holds', a.run_id, e.seq, a.step, e.kind from attempts a join squidie_ending e on e.claim_id = a.claim_id::text
union all select v.name, a.run_id, null, a.step, format('row %s, stream %s', v.in_row, v.in_stream) from attempts a
  join open_rows o on (o.run_id, o.timer, o.step, o.attempt) = (a.run_id, a.kind = 'timer', a.step, a.attempt) and a.kind <> 'notice'
  cross join lateral (values ('lost_differs', a.lost::text, o.lost::text), ('due_differs', a.due_at::text, o.due_at::text), ('queue_differs', a.queue, o.queue),
    ('limit_differs', a.limit_key, o.limit_key), ('rate_differs', a.rate_key, o.rate_key),
    ('partition_differs', a.partition, (select coalesce(r.partition, '') from runs r where r.run_id = a.run_id))) v(name, in_row, in_stream)
 where v.in_row is distinct from v.in_stream;

create or replace temporary view squidie_stuck as
with late as (select clock_timestamp() - make_interval(secs => coalesce(nullif(current_setting('squidie.grace', true), '')::float, 0)) than)
select 'due_not_claimed' stuck, a.run_id, a.step, a.due_at since from attempts a, late where a.claim_id is null and a.due_at < late.than
union all select 'lease_ended_not_expired', a.run_id, a.step, a.lease_until from attempts a, late where a.lease_until < late.than
union all select 'child_ended_parent_waits', l.run_id, l.step, t.at from squidie_link l join squidie_end t on t.run_id::text = l.child_run_id, late
 where l.awaited and not l.heard and t.at < late.than and not exists (select from squidie_end e where e.run_id = l.run_id)
union all select 'wait_overdue', w.run_id, w.step, w.due_at from squidie_wait w, late
 where w.family = 'wait' and w.change = 1 and w.due_at < late.than and not exists (select from squidie_end e where e.run_id = w.run_id)
   and not exists (select from squidie_wait r where r.run_id = w.run_id and r.family = 'wait' and r.step = w.step and r.change = -1 and r.seq > w.seq);
