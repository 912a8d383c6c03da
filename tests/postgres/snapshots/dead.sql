-- ADD
insert into {s}.dead_letters (run_id, step, attempt, seq, workflow, queue, reason, error, at)
values (:run_id, :step, :attempt, :seq, :workflow, :queue, :reason, cast(:error as json), :at);

-- CLOSE
update {s}.dead_letters set closed_at = :at, closed_as = :how, closed_by = cast(:by as json), closed_why = :why
where run_id = :run_id and step = :step and closed_at is null;

-- OF_RUN
select step, attempt, closed_at, closed_as from {s}.dead_letters
where run_id = :run_id and (cast(:step as text) is null or step = :step) order by seq desc;
