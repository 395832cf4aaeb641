-- Radiomic features: one column per feature, one row per image type.
-- Grain:  feature_set, case_id, roi, image_type, perturbation (unique; the last empty for none).
-- Reads:  pinned.radiomics, the parts that the open snapshot names.
-- Units:  see `radlas schemas export`; NULL means undefined, `reason` says why.
create or replace view radiomics as
select * replace (coalesce(perturbation, '') as perturbation) from pinned.radiomics
where case_id in (select case_id from pinned.cohort)
  and feature_set in (select feature_set from pinned.recipes);
