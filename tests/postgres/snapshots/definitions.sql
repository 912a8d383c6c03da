-- KEEP
insert into {s}.definitions (fingerprint, workflow, version, spec, at)
values (:fingerprint, :workflow, :version, cast(:spec as json), {s}.clock())
on conflict (fingerprint) do nothing;

-- FIND
select spec::text from {s}.definitions where fingerprint = :fingerprint;

-- NEWEST
select spec::text from {s}.definitions where workflow = :workflow order by at desc, fingerprint limit 1;
