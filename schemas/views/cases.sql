-- One exam with one image volume.
-- Grain:  case_id (unique).
-- Reads:  cases_rows, as pinned by the open snapshot.
-- Units:  in the column names.
create or replace view cases as
select * from cases_rows where case_id in (select case_id from cohort);
