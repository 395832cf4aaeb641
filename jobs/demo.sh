#!/usr/bin/env bash
# The whole study on a synthetic three-centre cohort, through the command line alone.
set -euo pipefail
cd "$(dirname "$0")/.."
subjects=${SUBJECTS:-60}
out=${DEMO:-demo}
export RADLAS_STORE=$out/store
begin=$SECONDS
stage() { printf '\n\033[1m[%3d s] %s\033[0m\n' $((SECONDS - begin)) "$*"; }

rm -rf "$out/store" "$out/store.key" "$out/report.html"
mkdir -p "$out"
stage "1/9 a synthetic cohort of $subjects subjects in three centres -> $out/cohort"
if ! radlas phantom "$out/cohort" --subjects "$subjects" --seed 0; then
  rm -rf "$out/cohort"  # another size or seed lies there
  radlas phantom "$out/cohort" --subjects "$subjects" --seed 0
fi
stage "2/9 an empty store -> $RADLAS_STORE"
radlas init "$RADLAS_STORE" --key "$out/cohort/site.key"
stage "3/9 ingest: DICOM + RTSTRUCT, DICOM + SEG, NIfTI + masks"
radlas ingest "$out/cohort/centre-a" --centre centre-a --importer tcia-sts
radlas ingest "$out/cohort/centre-b" --centre centre-b --importer dicom
radlas ingest "$out/cohort/centre-c" --centre centre-c --importer nifti
stage "4/9 extract: radiomics of tumour and ring, deep features of the whole image"
radlas extract --config jobs/extract-demo.yaml
stage "5/9 freeze a snapshot"
radlas snapshot create demo
stage "6/9 train the three models; the external centre stays untouched"
radlas train jobs/sts-grade-demo.yaml --snapshot demo
stage "7/9 validate on the external centre, explain, report"
radlas validate sts-grade
radlas explain sts-grade
radlas report sts-grade --out "$out/report.html"
stage "8/9 retrain: same data, same study, so there is nothing to do but to decide"
sed "s/^snapshot: .*/snapshot: demo/" jobs/retrain.yaml > "$out/retrain.yaml"
radlas retrain "$out/retrain.yaml" --once
stage "9/9 how the store stands"
radlas status
stage "done. Open $out/report.html, or ask the store:"
cat <<TXT

  export RADLAS_STORE=$RADLAS_STORE PATH=\$PWD/.venv/bin:\$PATH

  radlas query "select rois.centre, grade, count(*) n, round(avg(volume_mm3) / 1000, 1) tumour_ml
                from rois join clinical using (subject_id) where roi = 'tumour'
                group by all order by all"

  radlas query --snapshot demo "select centre, roi, round(median(firstorder_Entropy), 2) entropy
                from radiomics where image_type = 'original' group by all order by all"

  radlas query "select stage, centre, state, count(*) tasks, round(sum(seconds), 1) as total_s
                from latest group by all order by all"
TXT
