-- One exam with one image volume.
-- Grain:  case_id (unique).
-- Reads:  pinned.cases, the parts that the open snapshot names.
-- Units:  in the column names; days_from_first in days since the subject's first visible exam.
create or replace view cases as
select *, study_day - min(study_day) over (partition by subject_id) as days_from_first
from pinned.cases where case_id in (select case_id from pinned.cohort);
