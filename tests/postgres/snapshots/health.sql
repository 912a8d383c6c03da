-- SERVER
select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
    current_setting('server_encoding') as encoding, current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('full_page_writes') as full_page_writes, pg_is_in_recovery() as is_replica,
    current_setting('is_superuser') as is_superuser, current_user as role,
    extract(epoch from statement_timestamp())::float as at;

-- GUARD
select exists (
    select from pg_trigger t
    where t.tgrelid = cast(:facts as regclass) and t.tgname = 'facts_are_insert_only' and t.tgenabled <> 'D'
);

-- CLOCK_IS_SET
select coalesce(current_setting('squidie.now', true), '') <> '' or exists (
    select from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
    where (s.setdatabase = 0 or d.datname = current_database()) and s.setconfig::text like '%squidie.now=%'
);

-- CLOCK_CAN_BE_SET
select pg_get_functiondef(cast(:clock as regprocedure)) like '%squidie.now%';

-- LONG_TRANSACTIONS
select pid, coalesce(nullif(application_name, ''), 'without a name') as name, state,
    extract(epoch from statement_timestamp() - xact_start)::float8 as seconds
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
    and xact_start <= statement_timestamp() - make_interval(secs => :longest)
order by xact_start;

-- INDEXES
select c.relname as name, i.indisvalid as is_valid
from pg_index i join pg_class c on c.oid = i.indexrelid
where c.relnamespace = cast(:schema as regnamespace);

-- ROOM
select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most,
    (select count(*) from pg_stat_activity where backend_type = 'client backend') as used;

-- BACKEND
select pg_backend_pid();

-- LATE
select queue, count(*) as due, min(due_at) as oldest, {s}.clock() as at from {s}.attempts
where kind <> 'timer' and claim_id is null and limit_key = '' and rate_key = ''
    and due_at <= {s}.clock() - make_interval(secs => :late)
group by queue order by queue;

-- SIZE
select coalesce((select sum(pg_total_relation_size(c.oid)) from pg_class c
        where c.relnamespace = cast(:schema as regnamespace) and c.relkind = 'r'), 0)::bigint as bytes,
    (select min(started_at) from {s}.runs) as since, oldest.workflow, oldest.status, oldest.ended_at, {s}.clock() as at
from (values (1)) one left join lateral (
    select workflow, status, ended_at from {s}.runs where ended_at is not null order by started_at, run_id limit 1
) oldest on true;
