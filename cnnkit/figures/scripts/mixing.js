// A 1x1 convolution: what cnnkit.reference.conv.conv2d computes with filters of one weight a channel. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.mixing) return;

  // y[r][i][j], the sum over c of w[r][c] x[c][i][j].
  const mix = (x, w) =>
    w.map((weights) =>
      x[0].map((row, i) => row.map((_, j) => weights.reduce((total, weight, c) => total + weight * x[c][i][j], 0))));

  figures.mixing = { mix };
})();
