// Pooling of one plane and its gradient: what cnnkit.reference.pool computes. No drawing. Needs sizes.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.poolings) return;
  const { outputSize } = figures.sizes;

  // The places (u, v) of the window of output (i, j), in row order.
  const windowAt = (i, j, { kernel_size: F, stride: S }) =>
    Array.from({ length: F * F }, (_, k) => [i * S + Math.floor(k / F), j * S + (k % F)]);

  const sizeOf = (x, sizes) => [x.length, x[0].length].map((n) => outputSize({ ...sizes, n })[0]);

  // Which places of a window get its error, and which share of it: a maximum all of it, of equal ones the first;
  // of a mean every place the F²th part.
  const shares = (x, i, j, sizes) => {
    const places = windowAt(i, j, sizes);
    if (sizes.pool === "average") return places.map((place) => [place, 1 / places.length]);
    const values = places.map(([u, v]) => x[u][v]);
    return [[places[values.indexOf(Math.max(...values))], 1]];
  };

  // y(i, j): the sum of the shares, which is the maximum or the mean.
  const forward = (x, sizes) => {
    const [height, width] = sizeOf(x, sizes);
    return Array.from({ length: height }, (_, i) => Array.from({ length: width }, (_, j) =>
      shares(x, i, j, sizes).reduce((total, [[u, v], share]) => total + x[u][v] * share, 0)));
  };

  // dL/dx: what each node gets of the errors of all windows that hold it.
  const backward = (delta, x, sizes) => {
    const gradient = x.map((row) => row.map(() => 0));
    delta.forEach((row, i) => row.forEach((error, j) => {
      for (const [[u, v], share] of shares(x, i, j, sizes)) gradient[u][v] += error * share;
    }));
    return gradient;
  };

  figures.poolings = { windowAt, sizeOf, shares, forward, backward };
})();
