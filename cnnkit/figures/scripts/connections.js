// What joins two rows of nodes, and how many weights that takes: full, local and shared connections. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.connections) return;

  // Zeros at each end of the lower row.
  const padding = ({ connectivity, kernel_size, zeros }) =>
    connectivity !== "full" && zeros ? (kernel_size - 1) / 2 : 0;

  // n', the nodes of the upper row.
  const outputs = (layer) =>
    layer.connectivity === "full" ? layer.n : layer.n + 2 * padding(layer) - layer.kernel_size + 1;

  // Every connection as { i, j, weight }: from node j of the lower row, which lies in the zeros if it is below 0 or at
  // least n, to node i of the upper row, by the weight of this number. All are counted from 0.
  const edges = (layer) => {
    const { connectivity, n, kernel_size } = layer, P = padding(layer);
    const F = connectivity === "full" ? n : kernel_size;
    return Array.from({ length: outputs(layer) * F }, (_, place) => {
      const i = Math.floor(place / F), k = place % F;
      return { i, j: connectivity === "full" ? k : i + k - P, weight: connectivity === "shared" ? k : place };
    });
  };

  // How many weights, how many connections, and how many of these see nothing but the zeros.
  const counts = (layer) => {
    const all = edges(layer);
    return {
      weights: new Set(all.map(({ weight }) => weight)).size,
      connections: all.length,
      zeros: all.filter(({ j }) => j < 0 || j >= layer.n).length,
    };
  };

  figures.connections = { padding, outputs, edges, counts };
})();
