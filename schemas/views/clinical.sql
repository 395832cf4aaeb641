-- The newest clinical record of every subject.
-- Grain:  subject_id (unique).
-- Reads:  clinical_rows, cases_rows, as pinned by the open snapshot.
-- Units:  age in years.
create or replace view clinical as
select * from clinical_rows
where subject_id in (
    select subject_id from cases_rows where case_id in (select case_id from cohort)
)
qualify row_number() over (partition by subject_id order by revision desc) = 1;
