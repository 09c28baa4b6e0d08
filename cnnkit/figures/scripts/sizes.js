// The size equation (n' − 1) S + F = n + 2 P, and the receptive field: what cnnkit.shapes computes. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.sizes) return;

  // F, or what a filter whose taps stand apart covers.
  const span = (kernelSize, dilation = 1) => dilation * (kernelSize - 1) + 1;

  // [n', nodes of the padded row that no whole window reaches]; n' is 0 if not even one window fits.
  const outputSize = ({ n, kernel_size, stride = 1, padding = 0, dilation = 1 }) => {
    const room = n + 2 * padding - span(kernel_size, dilation);
    return room < 0 ? [0, n + 2 * padding] : [Math.floor(room / stride) + 1, room % stride];
  };

  const fits = (sizes) => {
    const [nodes, leftOver] = outputSize(sizes);
    return nodes > 0 && leftOver === 0;
  };

  // For each of the sizes the nearest value below and above for which the equation holds, within limits.
  const nearestFits = (sizes, limits) => {
    const found = {};
    for (const [name, [low, high]] of Object.entries(limits)) {
      const values = [];
      for (const step of [-1, 1]) {
        let value = sizes[name];
        while (value >= low && value <= high && !fits({ ...sizes, [name]: value })) value += step;
        if (value >= low && value <= high && !values.includes(value)) values.push(value);
      }
      found[name] = values;
    }
    return found;
  };

  figures.sizes = { span, outputSize, fits, nearestFits };
})();
