// The points of a mini-batch on a line, and where batch normalisation puts them in training and at test time.
(() => {
  const { define, normalising, number, factor, clamp } = globalThis.cnnFigures;
  const WIDTH = 340, MOST = 6, LEFT = 12, RIGHT = WIDTH - 12, ROWS = { x: 52, train: 132, test: 212 };
  const COLOURS = ["blue", "red", "green"];

  define("batch-norm", (figure) => {
    const { h, state } = figure;
    const row = figure.controls();
    figure.slider(row, "gamma", "γ", -3, 3, 0.25);
    figure.slider(row, "beta", "β", -3, 3, 0.25);
    const say = figure.sentence();
    const test = figure.line("equation");
    const move = (value) => {
      const x = [...state.x];
      x[state.point] = Math.round(10 * clamp(value, -MOST, MOST)) / 10;
      figure.set({ x });
    };
    const drawing = figure.drawing(null, "Points of a mini-batch; up and down choose one, left and right move it", {
      onMove: (dx, dy) => {
        if (dx) move(state.x[state.point] + dx / 10);
        else figure.set({ point: clamp(state.point + dy, 0, state.x.length - 1) });
      },
    });
    const at = (value) => LEFT + ((clamp(value, -MOST, MOST) + MOST) / (2 * MOST)) * (RIGHT - LEFT);
    const valueAt = (x) => ((x - LEFT) / (RIGHT - LEFT)) * 2 * MOST - MOST;
    figure.onDrag(drawing, (x, y, event) => {
      if (event.type === "pointerdown") {
        const distances = state.x.map((value) => Math.abs(at(value) - x));
        state.point = distances.indexOf(Math.min(...distances));
      }
      move(valueAt(x));
    });

    const line = (name, y) => [
      h("line", { x1: LEFT, x2: RIGHT, y1: y, y2: y, stroke: "var(--quiet)" }),
      ...[-6, -4, -2, 0, 2, 4, 6].flatMap((value) => [
        h("line", { x1: at(value), x2: at(value), y1: y, y2: y + 4, stroke: "var(--quiet)" }),
        h("text", { x: at(value), y: y + 13, style: "opacity: 0.75" }, number(value)),
      ]),
      h("text", { x: LEFT, y: y - 24, style: "text-anchor: start" }, name),
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
      const shapes = [
        ...line("x of the mini-batch, its mean and standard deviation", ROWS.x),
        ...line("training: y by the mini-batch's statistics", ROWS.train),
        ...line("test: y by the population's statistics", ROWS.test),
        h("rect", { x: at(found.mean - sigma), y: ROWS.x - 11, width: at(found.mean + sigma) - at(found.mean - sigma), height: 22, fill: "var(--orange)", "fill-opacity": 0.28 }),
        h("line", { x1: at(found.mean), x2: at(found.mean), y1: ROWS.x - 15, y2: ROWS.x + 15, stroke: "var(--ink)", "stroke-width": 2 }),
      ];
      for (const i of order) {
        shapes.push(h("line", { x1: at(x[i]), y1: ROWS.x, x2: at(train[i]), y2: ROWS.train, stroke: `var(--${COLOURS[i % 3]})`, "stroke-width": i === point ? 2 : 0.7, "stroke-opacity": 0.6 }));
        shapes.push(...dot(x[i], ROWS.x, i), ...dot(train[i], ROWS.train, i), ...dot(later[i], ROWS.test, i));
      }
      figure.show(drawing, WIDTH, 234, shapes);

      const work = (mean, variance, y) =>
        `(${number(x[point], 1)} − ${factor(mean)}) / √(${number(variance)} + ε) · ${factor(gamma)} + ${factor(beta)} = ${number(y)}`;
      say(`Training: the mini-batch has mean ${number(found.mean)} and variance ${number(found.variance)}. Point ${point}: ${work(found.mean, found.variance, train[point])}.`);
      test.textContent = `Test: ${work(population.mean, population.variance, later[point])}, whatever the other points are.`;
    });
  });
})();
