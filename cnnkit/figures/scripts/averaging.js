// What dropout does to a small logistic network and what it averages: the numbers of cnnkit.reference. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.averaging) return;

  const logistic = (s) => 1 / (1 + Math.exp(-s));

  // The next random number from 0 to 1 (mulberry32); all depend on the seed, with which source.state begins.
  const random = (source) => {
    source.state = (source.state + 0x6d2b79f5) | 0;
    let t = Math.imul(source.state ^ (source.state >>> 15), 1 | source.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  // Net input of a unit whose sources are multiplied by factors: zeros and ones, or the p of weight scaling.
  const netInput = (w, y, factors, b) => w.reduce((sum, weight, j) => sum + weight * factors[j] * y[j], b);

  // Outputs of the hidden units and of the output, of a network {x, w1, b1, w2, b2}.
  const forward = ({ x, w1, b1, w2, b2 }, ofInputs, ofHidden) => {
    const hidden = w1.map((w, j) => logistic(netInput(w, x, ofInputs, b1[j])));
    return { hidden, output: logistic(netInput(w2, hidden, ofHidden, b2)) };
  };

  // All zeros and ones of length n, the binary numbers in order.
  const masks = (n) => Array.from({ length: 2 ** n }, (_, i) => Array.from({ length: n }, (_, j) => (i >> (n - 1 - j)) & 1));

  const probability = (mask, p) => mask.reduce((product, kept, j) => product * (kept ? p[j] : 1 - p[j]), 1);

  // The same probability for every node of a layer.
  const each = (values, p) => values.map(() => p);

  // The output of the whole network with its weights scaled, and the mean over all its sub-networks.
  const exact = (network, pInput, pHidden) => {
    const p = [each(network.x, pInput), each(network.w2, pHidden)];
    let mean = 0;
    for (const first of masks(network.x.length))
      for (const second of masks(network.w2.length))
        mean += probability(first, p[0]) * probability(second, p[1]) * forward(network, first, second).output;
    return { scaled: forward(network, ...p).output, mean };
  };

  // Draw so many sub-networks: the last one's masks and outputs, the mean of all outputs and its standard error. With what it
  // returned for fewer of them it goes on from there.
  const sample = (network, pInput, pHidden, seed, number, before = { state: seed, drawn: 0, sum: 0, squares: 0 }) => {
    const found = { ...before }, draw = (values, p) => values.map(() => (random(found) < p ? 1 : 0));
    for (; found.drawn < number; found.drawn++) {
      const inputs = draw(network.x, pInput), kept = draw(network.w2, pHidden);
      Object.assign(found, { inputs, kept }, forward(network, inputs, kept));
      found.sum += found.output;
      found.squares += found.output ** 2;
    }
    const mean = found.sum / number, variance = Math.max(0, found.squares / number - mean ** 2);
    return { ...found, mean, error: number > 1 ? Math.sqrt(variance / (number - 1)) : null };
  };

  // One unit: probability, net input and output of each of its 2^n sub-networks.
  const subNetworks = (w, y, p, b) =>
    masks(w.length).map((mask) => {
      const S = netInput(w, y, mask, b);
      return { mask, P: probability(mask, p), S, O: logistic(S) };
    });

  // Its means: both geometric ones, the normalised one, what one pass computes, and the arithmetic one.
  const means = (all) => {
    const mean = (value) => all.reduce((sum, one) => sum + one.P * value(one), 0);
    const G = Math.exp(mean((one) => Math.log(one.O))), rest = Math.exp(mean((one) => Math.log(1 - one.O)));
    const ES = mean((one) => one.S);
    return { G, rest, nwgm: G / (G + rest), ES, scaled: logistic(ES), mean: mean((one) => one.O) };
  };

  figures.averaging = { logistic, forward, exact, sample, subNetworks, means };
})();
