-- HOLD
select pg_advisory_xact_lock(hashtextextended(:place, 0));

-- ADD
insert into {s}.operations (subject, name, verb, key, digest, at, receipt, change)
values (:subject, :name, :verb, :key, :digest, {s}.clock(), cast(:receipt as json), cast(:change as json));

-- FIND
select digest, change::text as change from {s}.operations
where subject = :subject and name = :name and verb = :verb and key = :key;

-- LAST
select verb, at, receipt::text as receipt, change::text as change from {s}.operations
where subject = :subject and name = :name order by id desc limit :most;
