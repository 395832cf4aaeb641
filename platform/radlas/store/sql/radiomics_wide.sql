-- Radiomic features with every image type beside the others, to look at a few of thousands.
-- Grain:  feature_set, case_id, roi, perturbation (unique).
-- Reads:  radiomics, as pinned by the open snapshot; columns are named image_type__feature.
-- Units:  see `radlas schemas export`. Ask for the columns you want: * takes minutes.
create or replace view radiomics_wide as
select
    feature_set, centre, subject_id, case_id, roi, perturbation,
    {columns}
from radiomics
group by all;
