-- STREAM
select seq, kind, at, body::text as body, hash from {s}.facts where run_id = :run_id order by seq;

-- SOME
select seq, kind, at, body::text as body, hash from {s}.facts where run_id = :run_id and seq = any(:seqs) order by seq;

-- BY_CLAIM
select seq, kind, at, body::text as body, hash from {s}.facts
where run_id = :run_id and body->'claim'->>'id' = :claim order by seq limit 1;

-- NAMES_CLAIM
select exists (select from {s}.facts where run_id = :run_id and position(:claim in body::text) > 0);

-- BY_COMMAND
select seq, kind, at, body::text as body, hash from {s}.facts
where run_id = :run_id and body->'by'->>'verb' = :verb
    and (body->'by'->>'request_id' = :request_id or body->'by'->>'key' = :key)
order by seq limit 1;

-- THERE
select f.hash from {s}.facts f join unnest(:runs, :seqs) as w(run_id, seq) on f.run_id = w.run_id and f.seq = w.seq;
