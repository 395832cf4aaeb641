-- Radiomic features with every image type beside the others, to look at a few of thousands.
-- Grain:  feature_set, case_id, roi, perturbation (unique).
-- Reads:  radiomics, as pinned by the open snapshot; columns are named image_type__feature.
-- Units:  see `radlas schemas export`. One join per image type: a maximum per column takes a
--         hundred times the memory of what it gives, and minutes.
create or replace view radiomics_wide as
with described as (
    select feature_set, centre, subject_id, case_id, roi, perturbation from radiomics group by all
)
select
    described.*,
    {columns}
from described
{joins};
