// Receptive fields in a stack of layers: what cnnkit.shapes computes, and which nodes a node sees. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.fields) return;

  // [size, jump, start] of a node's field in the input, for the input itself and for every layer.
  const fields = (layers) => {
    const found = [[1, 1, 0]];
    for (const { kernel_size, stride, padding, dilation } of layers) {
      const [size, jump, start] = found.at(-1);
      found.push([size + (kernel_size - 1) * dilation * jump, jump * stride, start - padding * jump]);
    }
    return found;
  };

  // Nodes of the input and of every layer; the list ends before the first layer whose filter does not fit.
  const nodes = (n, layers) => {
    const found = [n];
    for (const layer of layers) {
      const [next] = figures.sizes.outputSize({ n: found.at(-1), ...layer });
      if (!next) break;
      found.push(next);
    }
    return found;
  };

  // The nodes of the layer below that node i looks at; those beyond the row hold the zeros of the padding.
  const below = (i, { kernel_size, stride, padding, dilation }) =>
    Array.from({ length: kernel_size }, (_, k) => i * stride - padding + k * dilation);

  // For the input and for every layer up to this one, the nodes that node i sees, without the padding.
  const seen = (n, layers, layer, i) => {
    const sizes = nodes(n, layers), found = [[i]];
    for (let l = layer; l > 0; l--) {
      const all = found[0].flatMap((node) => below(node, layers[l - 1]));
      found.unshift([...new Set(all)].filter((j) => j >= 0 && j < sizes[l - 1]).sort((a, b) => a - b));
    }
    return found;
  };

  figures.fields = { fields, nodes, below, seen };
})();
