// The points of a mini-batch on a line, and where batch normalisation puts them in training and at test time.
(() => {
  const { define, normalising, number, factor, equals, clamp } = globalThis.cnnFigures;
  const WIDTH = 320, MOST = 6, LEFT = 12, RIGHT = WIDTH - 12, ROWS = [38, 112, 186, 260], HEIGHT = 282;
  const COLOURS = ["blue", "red", "green"];

  define("batch-norm", (figure) => {
    const { h, state } = figure;
    const row = figure.controls();
    figure.slider(row, "gamma", "γ", -3, 3, 0.25);
    figure.slider(row, "beta", "β", -3, 3, 0.25);
    const move = (value) => {
      const x = [...state.x];
      x[state.point] = Math.round(10 * clamp(value, -MOST, MOST)) / 10;
      figure.set({ x });
    };
    const drawing = figure.drawing(null, "Points of a mini-batch; up and down choose one, left and right move it", {
      caption: `Drag a point of the first line. Band: mean and standard deviation. Hollow: beyond the line. ε = ${state.eps}`,
      onMove: (dx, dy) => {
        if (dx) move(state.x[state.point] + dx / 10);
        else figure.set({ point: clamp(state.point + dy, 0, state.x.length - 1) });
      },
    });
    const at = (value) => LEFT + ((clamp(value, -MOST, MOST) + MOST) / (2 * MOST)) * (RIGHT - LEFT);
    const valueAt = (x) => ((x - LEFT) / (RIGHT - LEFT)) * 2 * MOST - MOST;
    // where the points are: their x, x̃ and y in training, y at test time
    let lines, drags = false;
    figure.onDrag(drawing, (x, y, event) => {
      if (event.type === "pointerdown") {
        const row = clamp(Math.round((y - ROWS[0]) / (ROWS[1] - ROWS[0])), 0, 3);
        const distances = lines[row].map((value) => Math.abs(at(value) - x));
        drags = row === 0;
        figure.set({ point: distances.indexOf(Math.min(...distances)) });
      }
      if (drags) move(valueAt(x));
    });
    const say = figure.sentence();
    const test = figure.line("equation");

    const line = (name, y) => [
      h("line", { x1: LEFT, x2: RIGHT, y1: y, y2: y, stroke: "var(--quiet)" }),
      ...[-6, -4, -2, 0, 2, 4, 6].flatMap((value) => [
        h("line", { x1: at(value), x2: at(value), y1: y, y2: y + 4, stroke: "var(--quiet)" }),
        h("text", { x: at(value), y: y + 13, style: "opacity: 0.75" }, number(value)),
      ]),
      h("text", { x: LEFT, y: y - 25, style: "text-anchor: start; paint-order: stroke; stroke: var(--paper); stroke-width: 4px" }, name),
    ];
    const dot = (value, y, i) => {
      const outside = Math.abs(value) > MOST;
      return [
        h("circle", {
          cx: at(value), cy: y, r: i === state.point ? 9 : 7, fill: outside ? "var(--paper)" : `var(--${COLOURS[i % 3]})`,
          stroke: i === state.point ? "currentColor" : "var(--paper)", "stroke-width": i === state.point ? 2.5 : 1,
        }),
        h("text", { x: at(value), y, style: `font-size: 10px; fill: var(${outside ? "--ink" : "--paper"})` }, String(i)),
      ];
    };

    figure.onDraw(() => {
      const { x, gamma, beta, eps, point, population } = state;
      const found = normalising.statistics(x), settings = { gamma, beta, eps };
      const train = normalising.normalise(x, { ...found, ...settings });
      const later = normalising.normalise(x, { ...population, ...settings });
      const sigma = Math.sqrt(found.variance), order = x.map((_, i) => i).sort((a, b) => (a === point) - (b === point));
      const normal = normalising.normalise(x, { ...found, eps, gamma: 1, beta: 0 });
      lines = [x, normal, train, later];
      const shapes = [
        h("rect", { x: at(found.mean - sigma), y: ROWS[0] - 11, width: at(found.mean + sigma) - at(found.mean - sigma), height: 22, fill: "var(--orange)", "fill-opacity": 0.28 }),
        h("line", { x1: at(found.mean), x2: at(found.mean), y1: ROWS[0] - 15, y2: ROWS[0] + 15, stroke: "var(--ink)", "stroke-width": 2 }),
      ];
      for (const i of order)
        for (const r of [0, 1])
          shapes.push(h("line", { x1: at(lines[r][i]), y1: ROWS[r], x2: at(lines[r + 1][i]), y2: ROWS[r + 1], stroke: `var(--${COLOURS[i % 3]})`, "stroke-width": i === point ? 2 : 0.7, "stroke-opacity": 0.6 }));
      ["x of the mini-batch", "training: x̃, by the mini-batch's μ and σ²", "training: y = γ x̃ + β", "test: y, by the population's μ and σ²"]
        .forEach((name, r) => shapes.push(...line(name, ROWS[r])));
      for (const i of order) lines.forEach((values, r) => shapes.push(...dot(values[i], ROWS[r], i)));
      figure.show(drawing, WIDTH, HEIGHT, shapes);

      const work = ({ mean, variance }, y) => {
        const value = (x[point] - mean) / Math.sqrt(variance + eps);
        return `x̃ = (${number(x[point], 1)} − ${factor(mean)}) / √(${number(variance)} + ε) ${equals(value, 3)}, ` +
          `y = γ x̃ + β = ${factor(gamma)} · ${factor(value, 3)} + ${factor(beta)} ${equals(y)}`;
      };
      say(`Training: the mini-batch has μ ${equals(found.mean)} and σ² ${equals(found.variance)}. Point ${point}: ${work(found, train[point])}.`);
      test.textContent = `Test: ${work(population, later[point])}, whatever the other points are.`;
    });
  });
})();
