-- Drawn ROIs (feature_set is empty) and the ROIs a feature set generated.
-- Grain:  case_id, roi, reader, feature_set (unique).
-- Reads:  rois_rows, as pinned by the open snapshot.
-- Units:  in the column names; fractions are in 0..1.
create or replace view rois as
select * from rois_rows
where case_id in (select case_id from cohort)
  and (feature_set = '' or feature_set in (select feature_set from recipes))
  and origin is distinct from 'prepared';
