// What each position adds to the gradient of a shared weight: what cnnkit.reference.conv computes. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.sharedGradient) return;

  // Row i, column k: delta(i) x(i S + k - P), where x is 0 in the padding.
  const contributions = (x, delta, { kernel_size, stride = 1, padding = 0 }) =>
    delta.map((error, i) => Array.from({ length: kernel_size }, (_, k) => error * (x[i * stride + k - padding] ?? 0)));

  // The sums of the columns; after the last position they are the gradient.
  const sums = (rows) => rows.reduce((total, row) => total.map((value, k) => value + row[k]), rows[0].map(() => 0));

  figures.sharedGradient = { contributions, sums };
})();
