-- LOST
select s.run_id from unnest(:runs, :revs, :hashes) as s(run_id, rev, hash)
where not exists (select from {s}.retired t where t.run_id = s.run_id) and (
    coalesce((select r.rev from {s}.runs r where r.run_id = s.run_id), 0) < s.rev
    or exists (select from {s}.facts f where f.run_id = s.run_id and f.seq = s.rev and f.hash <> s.hash)
);
