-- The ledger: what became of every task, every attempt.
-- Grain:  run_id, task_key, attempt, state (unique).
-- Reads:  pinned.outcomes, the parts that the open snapshot names.
-- Units:  seconds in s, peak_rss_mib in MiB.
create or replace view outcomes as
select * from pinned.outcomes;
