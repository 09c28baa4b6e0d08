// Convolution of one plane with one mask: what cnnkit.reference.conv.conv2d computes. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.convolutions) return;

  // The F x F pixels under the filter at output (i, j); 0 in the padding.
  const windowAt = (x, i, j, F, { stride = 1, padding = 0 }) =>
    Array.from({ length: F }, (_, a) =>
      Array.from({ length: F }, (_, b) => x[i * stride + a - padding]?.[j * stride + b - padding] ?? 0),
    );

  const products = (pixels, w) => pixels.map((row, a) => row.map((pixel, b) => pixel * w[a][b]));
  const sum = (rows) => rows.flat().reduce((total, value) => total + value, 0);

  // y(i, j), the sum over a and b of w(a, b) x(i S + a - P, j S + b - P), at all places.
  const convolve = (x, w, sizes) => {
    const { stride = 1, padding = 0 } = sizes;
    const [height, width] = [x, x[0]].map((n) => Math.floor((n.length + 2 * padding - w.length) / stride) + 1);
    return Array.from({ length: height }, (_, i) =>
      Array.from({ length: width }, (_, j) => sum(products(windowAt(x, i, j, w.length, sizes), w))),
    );
  };

  figures.convolutions = { windowAt, products, sum, convolve };
})();
