-- Embeddings of a network's layer.
-- Grain:  feature_set, case_id, roi, layer (unique).
-- Reads:  deep_rows, as pinned by the open snapshot.
-- Units:  dimensionless.
create or replace view deep as
select * from deep_rows
where case_id in (select case_id from cohort)
  and feature_set in (select feature_set from recipes);
