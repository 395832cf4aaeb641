-- ROIs as a feature set described them: on its grid, drawn and generated alike.
-- Grain:  feature_set, case_id, roi (unique).
-- Reads:  pinned.rois, the parts that the open snapshot names.
-- Units:  in the column names; voxels_before counts those of the stored grid.
create or replace view prepared as
select * from pinned.rois
where case_id in (select case_id from pinned.cohort)
  and feature_set in (select feature_set from pinned.recipes);
