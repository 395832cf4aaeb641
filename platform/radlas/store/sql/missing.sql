-- Rows that cases lack and others of their feature set have, and rows with undefined values.
-- Grain:  feature_set, case_id, roi, image_type (unique; the layer, for embeddings).
-- Reads:  cases, radiomics, deep, latest, as pinned by the open snapshot.
-- Units:  none. has_row is true where the row is there and some of its values are NULL; `reason` is
--         the row's, else how its extraction ended, else no_row.
create or replace view missing as
with described as (
    select feature_set, case_id, roi, image_type, reason from radiomics where perturbation = ''
    union all
    select feature_set, case_id, roi, layer, reason from deep
),
kinds as (select distinct feature_set, roi, image_type from described),
ended as (
    select feature_set, case_id, reason from latest where stage = 'extract'
    qualify row_number() over (
        partition by feature_set, case_id
        order by recorded_at desc, attempt desc, run_id desc, task_key  -- the last two break ties
    ) = 1
)
select
    cases.case_id, cases.centre, cases.subject_id, feature_set, roi, image_type,
    described.case_id is not null as has_row,
    coalesce(nullif(described.reason, ''), nullif(ended.reason, ''), 'no_row') as reason
from cases cross join kinds
left join described using (feature_set, case_id, roi, image_type)
left join ended using (feature_set, case_id)
where described.case_id is null or described.reason <> '';
