/** Share of rows whose predicted class is their label, among rows that have one (label ≥ 0); null where none has. */
export function accuracy(predicted: Int32Array, labels: Int32Array): number | null {
  let labelled = 0;
  let correct = 0;
  labels.forEach((label, row) => {
    if (label < 0) return;
    labelled++;
    if (predicted[row] === label) correct++;
  });
  return labelled === 0 ? null : correct / labelled;
}
