// A 1x1 convolution of a colour photograph: at each pixel the same small network from channels to channels.
(() => {
  const { define, mixing, numberGrid, pixels, number, factor, equals, tint, clamp } = globalThis.cnnFigures;
  const PLANE = 100, GAP = 7, LABEL = 20, COLOURS = ["red", "green", "blue"], LEFT = 46, RIGHT = 268, STEP = 60, TOP = 22;

  define("one-by-one", (figure) => {
    const { h, state } = figure;
    const x = state.image.map((plane) => plane.map((row) => row.map((hundredths) => hundredths / 100)));
    const height = x[0].length, width = x[0][0].length, side = PLANE / Math.max(height, width);
    const M = state.weights.length;
    const low = (index) => String.fromCharCode(0x2080 + index);

    const pictures = figure.drawings();
    const photograph = figure.drawing(pictures, "The photograph", { caption: "photograph" });
    const input = figure.drawing(pictures, "Channels of the input; the arrow keys go from pixel to pixel", {
      onMove: (dx, dy) => figure.set({ i: state.i + dy, j: state.j + dx }),
      caption: "input x, three channels",
    });
    const output = figure.drawing(pictures, "Channels of the output", { caption: "output y" });
    for (const svg of [photograph, input, output])
      pixels.onPoint(figure, svg, (a, b) => {
        const i = Math.floor(b / side), j = Math.floor((a % (PLANE + GAP)) / side);
        if (i < height && j < width && (i !== state.i || j !== state.j)) figure.set({ i, j });
      });

    const below = figure.drawings();
    below.style.marginTop = "0.5rem";
    const refresh = numberGrid(figure, below, {
      caption: "weights W: a row for each filter",
      read: () => state.weights,
      write: (r, c, value) => {
        state.weights[r][c] = value;
        figure.draw();
      },
      label: (r, c) => `W${r}(${c})`,
    });
    const network = figure.drawing(below, "The network at this pixel", { caption: "the network at this pixel, and at every other" });
    const equation = figure.line("equation");
    equation.append("y", h("sub", {}, "r"), "(i, j) = Σ", h("sub", {}, "c"), " x", h("sub", {}, "c"), "(i, j) · W", h("sub", {}, "r"), "(c)");
    const say = figure.sentence();

    const left = (r) => r * (PLANE + GAP);
    const planes = (volume, colour, name) => volume.flatMap((plane, r) => [
      pixels.squares(h, plane, side, colour(r), left(r)),
      h("text", { x: left(r) + (width * side) / 2, y: height * side + 11 }, name(r)),
    ]);
    const levels = x[0].map((row, i) => row.map((_, j) => `rgb(${x.map((plane) => Math.round(255 * plane[i][j]))})`));
    const shown = {
      photograph: [pixels.squares(h, levels, side, (colour) => colour)],
      input: planes(x, () => pixels.grey, (c) => `x${low(c)} ${COLOURS[c]}`),
    };
    const total = (count) => count * PLANE + (count - 1) * GAP;

    let drawn, y, limits;
    figure.onDraw(() => {
      refresh();
      const { weights } = state;
      const i = (state.i = clamp(state.i, 0, height - 1)), j = (state.j = clamp(state.j, 0, width - 1));
      if (String(weights) !== drawn) {
        drawn = String(weights);
        y = mixing.mix(x, weights);
        limits = y.map((plane) => Math.max(...plane.flat().map(Math.abs)));
        // weights that add up to 1 make a picture in grey again
        const isImage = weights.map((row) => Math.abs(row.reduce((sum, weight) => sum + weight, 0) - 1) < 0.01);
        shown.output = planes(y, (r) => (isImage[r] ? pixels.grey : (value) => tint(value, limits[r])), (r) => `y${low(r)}`);
      }
      const frames = (count) => Array.from({ length: count }, (_, r) => pixels.frame(h, left(r) + j * side - 2, i * side - 2, side + 4, "var(--orange)")).flat();
      const high = height * side + LABEL;
      figure.show(photograph, PLANE, high, [...shown.photograph, ...frames(1)]);
      figure.show(input, total(3), high, [...shown.input, ...frames(3)]);
      figure.show(output, total(M), high, [...shown.output, ...frames(M)]);

      const from = (c) => TOP + c * STEP, to = (r) => TOP + (r + (3 - M) / 2) * STEP;
      const values = x.map((plane) => plane[i][j]), sums = y.map((plane) => plane[i][j]);
      const edges = weights.flatMap((row, r) => row.map((weight, c) =>
        h("line", {
          x1: LEFT, y1: from(c), x2: RIGHT, y2: to(r), "stroke-width": Math.min(6, 1 + 2 * Math.abs(weight)),
          stroke: weight ? `var(--${weight < 0 ? "blue" : "orange"})` : "var(--faint)",
        })));
      const labels = weights.flatMap((row, r) => row.map((weight, c) =>
        h("text", {
          x: LEFT + 0.25 * (RIGHT - LEFT), y: from(c) + 0.25 * (to(r) - from(c)),
          style: "paint-order: stroke; stroke: var(--paper); stroke-width: 4px",
        }, number(weight))));
      const node = (a, b, value, limit, name, side) => [
        h("circle", { cx: a, cy: b, r: 19, fill: tint(value, limit), stroke: "currentColor" }),
        h("text", { x: a, y: b }, number(value)),
        h("text", { x: a + 32 * side, y: b }, name),
      ];
      figure.show(network, 320, 2 * (TOP + STEP), [
        ...edges, ...labels,
        ...values.flatMap((value, c) => node(LEFT, from(c), value, 1, `x${low(c)}`, -1)),
        ...sums.flatMap((value, r) => node(RIGHT, to(r), value, limits[r], `y${low(r)}`, 1)),
      ]);

      const mixes = sums.map((sum, r) =>
        `y${low(r)}(${i}, ${j}) = ${values.map((value, c) => `${number(value)} · ${factor(weights[r][c], 4)}`).join(" + ")} ${equals(sum, 4)}`);
      say(`Pixel (${i}, ${j}) is ${values.map((value, c) => `${COLOURS[c]} ${number(value)}`).join(", ")}: ${mixes.join("; ")}. ` +
        `The same ${3 * M} weights mix all ${height * width} pixels.`);
    });
  });
})();
