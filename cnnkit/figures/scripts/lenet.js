// LeNet as cnnkit.models.lenet builds it, its weights read from float16, and a drawing made into what MNIST has. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.lenet) return;

  const IMAGE = 28, BOX = 20;

  // maps of size x size nodes; a fully connected layer is a convolution whose filter covers all that lies below it.
  const LAYERS = [
    { name: "convolution 1", maps: 6, size: 28, kernel_size: 5, stride: 1, padding: 2 },
    { name: "pooling 1", maps: 6, size: 14, kernel_size: 2, stride: 2, padding: 0, pools: true },
    { name: "convolution 2", maps: 16, size: 10, kernel_size: 5, stride: 1, padding: 0 },
    { name: "pooling 2", maps: 16, size: 5, kernel_size: 2, stride: 2, padding: 0, pools: true },
    { name: "fully connected 1", maps: 120, size: 1, kernel_size: 5, stride: 1, padding: 0 },
    { name: "fully connected 2", maps: 84, size: 1, kernel_size: 1, stride: 1, padding: 0 },
    { name: "outputs", maps: 10, size: 1, kernel_size: 1, stride: 1, padding: 0 },
  ];

  // ------------------------------------------------------------------------------------------ numbers from text
  const bytes = (text) => {
    const letters = atob(text), data = new Uint8Array(letters.length);
    for (let i = 0; i < data.length; i++) data[i] = letters.charCodeAt(i);
    return data;
  };

  // A float16 from its 16 bits: sign, 5 bits of exponent, 10 of fraction.
  const float16 = (bits) => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  };
  const floats = (data) => {
    const values = new Float32Array(data.length / 2);
    for (let i = 0; i < values.length; i++) values[i] = float16(data[2 * i] | (data[2 * i + 1] << 8));
    return values;
  };

  // For each layer [weights, biases], of pooling null; in the text they follow each other.
  const weights = (text) => {
    const all = floats(bytes(text));
    let start = 0, channels = 1;
    return LAYERS.map(({ maps, kernel_size, pools }) => {
      if (pools) return null;
      const middle = start + maps * channels * kernel_size ** 2, pair = [all.subarray(start, middle), all.subarray(middle, middle + maps)];
      start = middle + maps;
      channels = maps;
      return pair;
    });
  };

  // ------------------------------------------------------------------------------------------ forward
  const normalise = (pixels, mean, std) => Float32Array.from(pixels, (pixel) => (pixel / 255 - mean) / std);

  const pad = (x, size, padding) => {
    if (!padding) return x;
    const side = size + 2 * padding, maps = x.length / size ** 2, padded = new Float32Array(maps * side ** 2);
    for (let m = 0; m < maps; m++)
      for (let i = 0; i < size; i++)
        padded.set(x.subarray((m * size + i) * size, (m * size + i + 1) * size), (m * side + i + padding) * side + padding);
    return padded;
  };

  // Of each map of x, size x size; every map of the result sees all of them. Stride 1.
  const convolve = (x, size, w, b, F, padding) => {
    const side = size + 2 * padding, channels = x.length / size ** 2, out = side - F + 1;
    const padded = pad(x, size, padding), y = new Float32Array(b.length * out * out);
    for (let m = 0, k = 0; m < b.length; m++) {
      const map = m * out * out;
      y.fill(b[m], map, map + out * out);
      for (let c = 0; c < channels; c++)
        for (let u = 0; u < F; u++)
          for (let v = 0; v < F; v++, k++)
            for (let i = 0; i < out; i++)
              for (let j = 0, to = map + i * out, from = (c * side + i + u) * side + v; j < out; j++) y[to + j] += w[k] * padded[from + j];
    }
    return y;
  };

  const relu = (x) => x.map((value) => (value > 0 ? value : 0));

  const pool = (x, size) => {
    const half = size / 2, y = new Float32Array(x.length / 4);
    for (let i = 0, to = 0; to < y.length; i++)
      for (let j = 0; j < half; j++, to++) {
        const from = 2 * i * size + 2 * j;
        y[to] = Math.max(x[from], x[from + 1], x[from + size], x[from + size + 1]);
      }
    return y;
  };

  // What every layer holds for a normalised image: of convolutions and full layers the sums, before ReLU.
  const forward = (pairs, image) => {
    let x = image, size = IMAGE;
    return LAYERS.map(({ kernel_size, padding, pools, ...layer }, l) => {
      const y = pools ? pool(x, size) : convolve(x, size, ...pairs[l], kernel_size, padding);
      x = pools ? y : relu(y);
      size = layer.size;
      return y;
    });
  };

  const softmax = (y) => {
    const most = Math.max(...y), powers = Array.from(y, (value) => Math.exp(value - most)), sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  };

  // ------------------------------------------------------------------------------------------ receptive fields
  // Of each layer: size r, jump j, start s, and the recurrence r = 1 + sum of (F − 1) j written out.
  const fields = () => {
    let size = 1, jump = 1, start = 0, text = "1";
    return LAYERS.map(({ kernel_size, stride, padding }) => {
      if (kernel_size > 1) text += ` + (${kernel_size} − 1) · ${jump}`;
      size += (kernel_size - 1) * jump;
      start -= padding * jump;
      jump *= stride;
      return { size, jump, start, text };
    });
  };

  // ------------------------------------------------------------------------------------------ drawing to image
  // A pen of this radius, or a rubber, goes straight over a sheet of side x side cells; its edge is three cells wide.
  const stroke = (ink, side, [x0, y0], [x1, y1], radius, rubs) => {
    const reach = radius + 2, dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    const range = (a, b) => [Math.max(0, Math.floor(Math.min(a, b) - reach)), Math.min(side, Math.ceil(Math.max(a, b) + reach))];
    const [left, right] = range(x0, x1), [top, bottom] = range(y0, y1);
    for (let i = top; i < bottom; i++)
      for (let j = left; j < right; j++) {
        const x = j + 0.5 - x0, y = i + 0.5 - y0, t = length ? Math.max(0, Math.min(1, (x * dx + y * dy) / length)) : 0;
        const value = Math.round(255 * Math.max(0, Math.min(1, (radius - Math.hypot(x - t * dx, y - t * dy)) / 3 + 0.5)));
        ink[i * side + j] = rubs ? Math.min(ink[i * side + j], 255 - value) : Math.max(ink[i * side + j], value);
      }
    return ink;
  };

  // Means of the sheet over 28 x 28 squares: cell (x, y) goes to (scale x + left, scale y + top).
  const resample = (ink, side, scale, left, top) => {
    const along = (from, rows, offset) => {
      // the columns become 28, then lie as rows, so that a second pass does the other axis
      const to = new Float64Array(IMAGE * rows);
      for (let j = 0; j < IMAGE; j++) {
        const a = Math.max(0, (j - offset) / scale), b = Math.min(side, (j + 1 - offset) / scale);
        for (let k = Math.floor(a); k < b; k++) {
          const share = scale * (Math.min(b, k + 1) - Math.max(a, k));
          for (let i = 0; i < rows; i++) to[j * rows + i] += share * from[i * side + k];
        }
      }
      return to;
    };
    return Uint8Array.from(along(along(ink, side, left), IMAGE, top), Math.round);
  };

  // As MNIST did: scaled to fit 20 x 20 with its proportions, then moved by whole pixels until its centre of mass lies in
  // pixel (14, 14) of 28 x 28. Returns the pixels and where the sheet went; without ink and if not wanted, all of the sheet.
  const centre = (ink, side, wanted = true) => {
    let x0 = side, x1 = 0, y0 = side, y1 = 0;
    ink.forEach((value, at) => {
      if (!value) return;
      const x = at % side, y = (at - x) / side;
      x0 = Math.min(x0, x); x1 = Math.max(x1, x + 1); y0 = Math.min(y0, y); y1 = Math.max(y1, y + 1);
    });
    if (!wanted || x1 === 0) return { pixels: resample(ink, side, IMAGE / side, 0, 0), scale: IMAGE / side, left: 0, top: 0 };
    const scale = BOX / Math.max(x1 - x0, y1 - y0), small = resample(ink, side, scale, -x0 * scale, -y0 * scale);
    let mass = 0, x = 0, y = 0;
    small.forEach((value, at) => {
      mass += value;
      x += value * ((at % IMAGE) + 0.5);
      y += value * (Math.floor(at / IMAGE) + 0.5);
    });
    // nothing may leave the image
    const shift = (mean, extent) => Math.max(0, Math.min(IMAGE - Math.ceil(extent * scale - 1e-9), Math.ceil(IMAGE / 2 - mean)));
    const right = shift(x / mass, x1 - x0), down = shift(y / mass, y1 - y0), pixels = new Uint8Array(IMAGE ** 2);
    small.forEach((value, at) => {
      if (value) pixels[at + down * IMAGE + right] = value;
    });
    return { pixels, scale, left: right - x0 * scale, top: down - y0 * scale };
  };

  figures.lenet = { LAYERS, fields, bytes, floats, weights, normalise, forward, softmax, stroke, centre };
})();
