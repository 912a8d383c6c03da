-- FIND
select r.run_id, r.verb, r.key, r.digest, r.seq
from unnest(:runs, :verbs, :keys) as k(run_id, verb, key) join {s}.receipts r using (run_id, verb, key);

-- ADD
insert into {s}.receipts (run_id, verb, key, digest, seq, at) values (:run_id, :verb, :key, :digest, :seq, :at);

-- SEEN
update {s}.receipts set seen = seen + 1 where run_id = :run_id and verb = :verb and key = :key;

-- REPEATED
insert into {s}.receipts (run_id, verb, key, digest, seq, at, seen)
values (:run_id, :verb, :key, :digest, 1, {s}.clock(), 1)
on conflict (run_id, verb, key) do update set seen = receipts.seen + 1;
