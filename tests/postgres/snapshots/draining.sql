-- AMONG
select run_id from {s}.runs where run_id = any(:ids) and status = :status;
