-- LOCK_WAITING
select r.run_id, r.rev, r.head_hash, r.fold,
    case when r.head_hash is distinct from k.hash then r.state::text end as state
from unnest(:ids, :hashes) as k(run_id, hash) join {s}.runs r on r.run_id = k.run_id
order by r.run_id for no key update of r;

-- LOCK_PASSING
select r.run_id, r.rev, r.head_hash, r.fold,
    case when r.head_hash is distinct from k.hash then r.state::text end as state
from unnest(:ids, :hashes) as k(run_id, hash) join {s}.runs r on r.run_id = k.run_id
order by r.run_id for no key update of r skip locked;

-- LOCK_AT_ONCE
select r.run_id, r.rev, r.head_hash, r.fold,
    case when r.head_hash is distinct from k.hash then r.state::text end as state
from unnest(:ids, :hashes) as k(run_id, hash) join {s}.runs r on r.run_id = k.run_id
order by r.run_id for no key update of r nowait;

-- READ
select run_id, rev, head_hash, fold, state::text as state from {s}.runs where run_id = any(:ids) order by run_id;

-- EXISTING
select run_id from {s}.runs where run_id = any(:ids);

-- RETIRED
select exists (select from {s}.retired where run_id = :run_id and until > {s}.clock());
