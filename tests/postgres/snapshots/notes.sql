-- ADD
insert into {s}.attributes (name, value, started_at, run_id)
select v.name, v.value::jsonb, r.started_at, r.run_id from unnest(:runs, :names, :values) as v(run_id, name, value) join {s}.runs r on r.run_id = v.run_id
order by 1, 2, 3, 4 on conflict do nothing;

-- REMOVE
delete from {s}.attributes a using unnest(:runs, :names, :values) as v(run_id, name, value) join {s}.runs r on r.run_id = v.run_id
where a.name = v.name and a.value = v.value::jsonb and a.started_at = r.started_at and a.run_id = r.run_id;

-- NOTE
update {s}.runs r set attributes = n.attributes::jsonb, archived = n.archived
from unnest(:runs, :attributes, :archived) as n(run_id, attributes, archived) where r.run_id = n.run_id;
