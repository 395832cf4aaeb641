-- Embeddings of a network's layer.
-- Grain:  feature_set, case_id, roi, layer (unique).
-- Reads:  pinned.deep, the parts that the open snapshot names.
-- Units:  dimensionless.
create or replace view deep as
select * from pinned.deep
where case_id in (select case_id from pinned.cohort)
  and feature_set in (select feature_set from pinned.recipes);
