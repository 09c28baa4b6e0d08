// Two rows of nodes, every connection between them, and the number of weights that it takes.
(() => {
  const { define, connections, clamp } = globalThis.cnnFigures;
  const KINDS = ["full", "local", "shared"];
  const WIDTH = 336, HIGH = 26, LOW = 156, HEIGHT = 182;
  // one look for each weight of a shared filter: colour, dashes, and a letter of its own
  const LOOKS = [["blue", "none"], ["red", "7 3"], ["green", "2 3"], ["ink", "9 3 2 3"], ["orange", "none"]];

  const small = (value, sign = false) =>
    (sign && value > 0 ? "₊" : value < 0 ? "₋" : "") + [...String(Math.abs(value))].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
  const several = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

  define("connectivity", (figure) => {
    const { h, state } = figure;
    const kinds = figure.controls(), buttons = {};
    kinds.setAttribute("role", "group");
    kinds.setAttribute("aria-label", "Connections");
    for (const kind of KINDS)
      buttons[kind] = figure.button(kinds, kind, () => figure.set({ connectivity: kind }));
    const row = figure.controls();
    figure.slider(row, "n", "nodes n", 5, 10);
    const width = figure.slider(row, "kernel_size", "window F", 1, 5, 2);
    const ends = figure.checkbox(row, "zeros", "zeros at the ends");
    const equation = figure.line("equation");
    const say = figure.sentence();
    const drawing = figure.drawing(null, "Two rows of nodes and their connections; the arrow keys choose a node of the upper row", {
      onMove: (dx, dy) => figure.set({ node: state.node + (dx || dy) }),
    });
    const table = h("table");
    figure.root.append(table);

    // Middle of the lower row's node j: the zeros have their room even where there are none, so that nothing jumps.
    const margin = () => (state.kernel_size - 1) / 2;
    const pitch = () => WIDTH / (state.n + 2 * margin());
    const x = (j) => (j + margin() + 0.5) * pitch();
    const first = () => (state.connectivity === "full" ? 0 : margin() - connections.padding(state));
    figure.onDrag(drawing, (place) => figure.set({ node: Math.round(place / pitch() - 0.5 - margin() - first()) }));

    // Of a shared filter a weight is called by where it looks; of the others each has a number of its own.
    const letter = ({ weight }) => "w" + (state.connectivity === "shared" ? small(weight - margin(), true) : small(weight + 1));
    const isZero = ({ j }) => j < 0 || j >= state.n;

    const link = (edge, chosen) => {
      const [colour, dashes] = state.connectivity === "shared" ? LOOKS[edge.weight + 2 - margin()] : ["ink", "none"];
      return h("line", {
        x1: x(edge.j), y1: LOW, x2: x(edge.i + first()), y2: HIGH, stroke: `var(--${colour})`,
        "stroke-dasharray": dashes, "stroke-width": chosen ? 3 : 1.5,
        opacity: chosen ? 1 : state.connectivity === "shared" ? 0.55 : 0.28,
      });
    };
    // Written a little above the lower row, where the lines stand apart; many of them at two heights.
    const mark = (edge, place, { length }) => {
      const share = length > 3 && place % 2 ? 0.36 : 0.22;
      return h("text", {
        x: x(edge.j) + share * (x(edge.i + first()) - x(edge.j)), y: LOW - share * (LOW - HIGH),
        style: "paint-order: stroke; stroke: var(--paper); stroke-width: 5px",
      }, letter(edge));
    };
    const node = (middle, y, text, looks) => [
      h("circle", { cx: middle, cy: y, r: Math.min(15, 0.44 * pitch()), fill: "var(--paper)", stroke: "currentColor", "stroke-width": 1.5, ...looks }),
      h("text", { x: middle, y }, text),
    ];

    const term = (edge) => `${letter(edge)} ${isZero(edge) ? "0" : "x" + small(edge.j + 1)}`;
    const sum = (terms) => (terms.length > 5 ? [...terms.slice(0, 2), "…", ...terms.slice(-2)] : terms).join(" + ");

    const formula = (count) => {
      const { connectivity, n, kernel_size: F, zeros } = state;
      const left = { full: "n²", local: zeros ? "n F" : "(n − F + 1) F", shared: "F" }[connectivity];
      const right = { full: `${n}²`, local: zeros ? `${n} · ${F}` : `(${n} − ${F} + 1) · ${F}`, shared: "" }[connectivity];
      return `${connectivity}: ${left} = ${right ? `${right} = ` : ""}${several(count.weights, "weight")}, ${several(count.connections, "connection")}`;
    };
    const story = (own, count, outputs) => {
      const { connectivity, n, kernel_size: F } = state;
      const y = `y${small(state.node + first() + 1)} = f(${sum(own.map(term))})`;
      const blind = count.zeros ? ` ${count.zeros} of the ${count.connections} connections see only added zeros.` : "";
      if (connectivity === "full") return `${y}: ${n} weights that no other node has. ${n} such nodes make ${n} · ${n} = ${count.weights}.`;
      const those = several(F, "weight");
      if (connectivity === "local") return `${y}: ${those} that no other node has. ${outputs} such nodes make ${outputs} · ${F} = ${count.weights}.${blind}`;
      return `${y}: the same ${those} as at every other node. Each weight serves ${outputs} connections, ${outputs} · ${F} = ${count.connections}.${blind}`;
    };

    figure.onDraw(() => {
      const { connectivity, n } = state;
      const outputs = connections.outputs(state), P = connections.padding(state);
      state.node = clamp(state.node, 0, outputs - 1);
      for (const kind of KINDS) buttons[kind].setAttribute("aria-pressed", kind === connectivity);
      width.disabled = ends.disabled = connectivity === "full";

      const all = connections.edges(state), own = all.filter(({ i }) => i === state.node);
      const shapes = [...all.filter(({ i }) => i !== state.node).map((edge) => link(edge, false)), ...own.map((edge) => link(edge, true))];
      for (let j = -P; j < n + P; j++) {
        const inside = j >= 0 && j < n;
        shapes.push(...node(x(j), LOW, inside ? "x" + small(j + 1) : "0", inside ? {} : { stroke: "var(--quiet)", "stroke-dasharray": "3 3" }));
      }
      for (let i = 0; i < outputs; i++)
        shapes.push(...node(x(i + first()), HIGH, "y" + small(i + first() + 1), i === state.node ? { "stroke-width": 3.5 } : {}));
      figure.show(drawing, WIDTH, HEIGHT, [...shapes, ...own.map(mark)]);

      const count = connections.counts(state);
      equation.textContent = formula(count);
      say(story(own, count, outputs));

      const found = KINDS.map((kind) => [kind, connections.counts({ ...state, connectivity: kind })]);
      const look = (kind) => (kind === connectivity ? { style: "background: var(--faint); font-weight: bold; color: var(--ink)" } : {});
      table.replaceChildren(
        h("tr", {}, h("td"), ...found.map(([kind]) => h("th", { scope: "col", ...look(kind) }, kind))),
        ...["weights", "connections"].map((what) =>
          h("tr", {}, h("th", { scope: "row" }, what), ...found.map(([kind, counted]) => h("td", look(kind), String(counted[what])))),
        ),
      );
    });
  });
})();
