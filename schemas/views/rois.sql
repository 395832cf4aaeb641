-- Drawn ROIs (feature_set is empty) and the ROIs a feature set generated.
-- Grain:  case_id, roi, reader, feature_set (unique).
-- Reads:  pinned.rois, the parts that the open snapshot names.
-- Units:  in the column names; fractions are in 0..1.
create or replace view rois as
select * from pinned.rois
where case_id in (select case_id from pinned.cohort)
  and (feature_set = '' or feature_set in (select feature_set from pinned.recipes))
  and origin is distinct from 'prepared';
