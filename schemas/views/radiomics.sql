-- Radiomic features: one column per feature, a new filter is a new row.
-- Grain:  feature_set, case_id, roi, image_type, perturbation (unique; the last empty for none).
-- Reads:  radiomics_rows, as pinned by the open snapshot.
-- Units:  see `radlas schemas export`; NULL means undefined, `reason` says why.
create or replace view radiomics as
select * replace (coalesce(perturbation, '') as perturbation) from radiomics_rows
where case_id in (select case_id from cohort)
  and feature_set in (select feature_set from recipes);
