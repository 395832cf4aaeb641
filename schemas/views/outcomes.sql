-- The ledger: what became of every task, every attempt.
-- Grain:  run_id, task_key, attempt, state (unique).
-- Reads:  outcomes_rows, as pinned by the open snapshot.
-- Units:  seconds in s, peak_rss_mib in MiB.
create or replace view outcomes as
select * from outcomes_rows;
