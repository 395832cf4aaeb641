-- ROIs as a feature set described them: on its grid, drawn and generated alike.
-- Grain:  feature_set, case_id, roi (unique).
-- Reads:  rois_rows, as pinned by the open snapshot.
-- Units:  in the column names; voxels_before counts those of the stored grid.
create or replace view prepared as
select * from rois_rows
where case_id in (select case_id from cohort)
  and feature_set in (select feature_set from recipes);
