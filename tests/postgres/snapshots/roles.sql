-- LIMITS
select current_setting('role') as role,
    current_setting('statement_timeout') as statements, current_setting('idle_in_transaction_session_timeout') as idle,
    extract(epoch from current_setting('statement_timeout')::interval)::float as statements_s,
    extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval)::float as idle_s;

-- PUT
select set_config('statement_timeout', :statements, true),
    set_config('idle_in_transaction_session_timeout', :idle, true), set_config('role', :role, true);
