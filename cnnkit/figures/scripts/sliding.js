// One filter over one row: what cnnkit.reference.conv.conv1d computes. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.sliding) return;

  // w(k) x(i S + k - P) for each weight k, where x is 0 in the padding.
  const products = (x, w, i, { stride = 1, padding = 0 }) =>
    w.map((weight, k) => weight * (x[i * stride + k - padding] ?? 0));

  // y(i), the sum of the products, at all positions.
  const convolve = (x, w, sizes) => {
    const [nodes] = figures.sizes.outputSize({ ...sizes, n: x.length, kernel_size: w.length });
    return Array.from({ length: nodes }, (_, i) => products(x, w, i, sizes).reduce((total, value) => total + value, 0));
  };

  figures.sliding = { products, convolve };
})();
