// Batch normalisation of the values of one node over a mini-batch: what cnnkit.reference.batchnorm computes. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.normalising) return;

  // With given statistics, as at test time.
  const normalise = (x, { mean, variance, gamma, beta, eps }) =>
    x.map((value) => gamma * ((value - mean) / Math.sqrt(variance + eps)) + beta);

  // Mean and variance of a mini-batch; the variance is divided by m, as in training.
  const statistics = (x) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    return { mean, variance: x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length };
  };

  figures.normalising = { normalise, statistics };
})();
