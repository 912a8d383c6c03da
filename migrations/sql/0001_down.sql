-- All of it, away.
drop function retire(uuid, interval);
drop table workers, operations, queues, limits;
drop table schedules, retired, receipts, dead_letters, attempts, facts, attributes, runs, definitions;
drop function tell_schedules();
drop function refuse_change();
drop function clock();
