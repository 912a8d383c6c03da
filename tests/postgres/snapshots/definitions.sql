-- KEEP
insert into {s}.definitions (fingerprint, workflow, version, spec, at)
values (:fingerprint, :workflow, :version, cast(:spec as json), {s}.clock())
on conflict (fingerprint) do nothing;

-- FIND
select spec::text from {s}.definitions where fingerprint = :fingerprint;

-- NEWEST
select spec::text from {s}.definitions where workflow = :workflow order by at desc, fingerprint limit 1;

-- NAMES
select distinct workflow from {s}.definitions order by 1;

-- SEVERAL
select fingerprint, spec::text as spec from {s}.definitions where fingerprint = any(:fingerprints);

-- KEPT
select workflow, definition, count(*) as runs from {s}.runs where ended_at is null group by 1, 2 order by 1, 2;

-- ALL
select d.workflow, d.fingerprint, d.version, d.at, d.spec::text as spec, count(r.run_id) as runs,
    count(r.run_id) filter (where r.ended_at is null) as open, max(r.started_at) as last_at
from {s}.definitions d left join {s}.runs r on r.definition = d.fingerprint
group by d.fingerprint order by d.workflow, d.at;
