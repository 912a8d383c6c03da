-- ADD
insert into {s}.dead_letters (run_id, step, attempt, seq, workflow, queue, reason, error, at)
values (:run_id, :step, :attempt, :seq, :workflow, :queue, :reason, cast(:error as json), :at);
