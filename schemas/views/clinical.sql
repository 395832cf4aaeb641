-- The newest clinical record of every subject.
-- Grain:  subject_id (unique).
-- Reads:  pinned.clinical, pinned.cases, the parts that the open snapshot names.
-- Units:  age in years.
create or replace view clinical as
select * from pinned.clinical
where subject_id in (
    select subject_id from pinned.cases where case_id in (select case_id from pinned.cohort)
)
qualify row_number() over (partition by subject_id order by revision desc) = 1;
