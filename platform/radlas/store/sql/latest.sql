-- The newest outcome of every task.
-- Grain:  task_key (unique).
-- Reads:  pinned.outcomes, the parts that the open snapshot names.
-- Units:  seconds in s, peak_rss_mib in MiB.
create or replace view latest as
select * from pinned.outcomes
qualify row_number() over (
    partition by task_key
    order by recorded_at desc, attempt desc, run_id desc  -- run_id breaks ties
) = 1;
