-- The newest outcome of every task.
-- Grain:  task_key (unique).
-- Reads:  outcomes_rows, as pinned by the open snapshot.
-- Units:  seconds in s, peak_rss_mib in MiB.
create or replace view latest as
select * from outcomes_rows
qualify row_number() over (
    partition by task_key
    order by recorded_at desc, attempt desc, run_id desc  -- run_id breaks ties
) = 1;
