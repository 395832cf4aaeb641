-- Radiomic features: one column per feature, a new filter is a new row.
-- Grain:  feature_set, case_id, roi, image_type (unique).
-- Reads:  radiomics_rows, as pinned by the open snapshot.
-- Units:  see `radlas schemas export`; NULL means undefined, `reason` says why.
create or replace view radiomics as
select * from radiomics_rows
where case_id in (select case_id from cohort)
  and feature_set in (select feature_set from recipes);
