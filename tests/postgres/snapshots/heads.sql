-- LOCK_PASSING
select run_id, rev, head_hash, fold, state::text as state from {s}.runs where run_id = any(:ids) order by run_id for no key update skip locked;

-- LOCK_WAITING
select run_id, rev, head_hash, fold, state::text as state from {s}.runs where run_id = any(:ids) order by run_id for no key update;

-- LOCK_AT_ONCE
select run_id, rev, head_hash, fold, state::text as state from {s}.runs where run_id = any(:ids) order by run_id for no key update nowait;

-- READ
select run_id, rev, head_hash, fold, state::text as state from {s}.runs where run_id = any(:ids) order by run_id;

-- EXISTING
select run_id from {s}.runs where run_id = any(:ids);

-- RETIRED
select exists (select from {s}.retired where run_id = :run_id and until > {s}.clock());
