// A residual block over a row of nodes, its branch weighted by alpha: what cnnkit.models.resnet computes. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.residual) return;

  const relu = (x) => x.map((value) => Math.max(0, value));

  // Three weights at every node, with a zero on each side: sum over k from -1 to 1 of w_k x_{i+k}.
  const filter = (w, x) => x.map((_, i) => w.reduce((sum, weight, k) => sum + weight * (x[i + k - 1] ?? 0), 0));

  // order "after": f(alpha F(x) + x). order "before": alpha F(x) + x, where the branch begins with the ReLU.
  // hidden is what the branch's second filter is given.
  const block = ({ x, w1, w2, alpha, order }) => {
    const hidden = relu(filter(w1, order === "before" ? relu(x) : x));
    const branch = filter(w2, hidden);
    const sum = x.map((value, i) => value + alpha * branch[i]);
    return { hidden, branch, sum, y: order === "before" ? sum : relu(sum) };
  };

  figures.residual = { relu, filter, block };
})();
