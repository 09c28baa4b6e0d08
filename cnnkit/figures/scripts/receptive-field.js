// A stack of layers, and for a node anywhere in it the field that it sees in every layer below.
(() => {
  const { define, sizes, fields, number, clamp } = globalThis.cnnFigures;
  const LIMITS = { kernel_size: [1, 5], stride: [1, 3], padding: [0, 4], dilation: [1, 3] };
  const LETTERS = { kernel_size: "F", stride: "S", padding: "P", dilation: "d" };
  const MOST = 4, WIDTH = 352, LEFT = 46, HEIGHT = 262, TOP = 16, BOTTOM = 246;
  const low = (l) => String.fromCharCode(0x2080 + l);

  define("receptive-field", (figure) => {
    const { h, state } = figure;
    const row = figure.controls();
    figure.slider(row, "n", "inputs n", 1, 16);
    const add = figure.button(row, "Add a layer", () =>
      figure.set({ layers: [...state.layers, { kernel_size: 3, stride: 1, padding: 0, dilation: 1 }], layer: state.layers.length + 1 }));
    const both = figure.drawings();
    const drawing = figure.drawing(both, "The layers, the input at the bottom; the arrow keys go from node to node", {
      onMove: (dx, dy) => (dy ? go(state.layer - dy, place(state.layer, state.node)) : figure.set({ node: state.node + dx })),
      caption: "a node of a layer stands over the middle of its field; zeros of the padding are dashed",
    });

    // ---------------------------------------------------------------- the table, in which layers are changed
    const PAD = "padding: 1px 2px";
    const cell = (...children) => h("td", { style: PAD }, ...children);
    const head = (text, scope) => h("th", { scope, style: `${PAD}; text-align: ${scope === "col" ? "center" : "left"}` }, text);
    const heads = h("tr", {}, ...["layer", ...Object.values(LETTERS), "r", "j", "s"].map((text) => head(text, "col")), h("td"));
    const table = h("table", {}, heads), right = h("div", {}, table);
    both.append(right);
    const lines = [];
    for (let l = MOST; l >= 0; l--) {
      const selects = l ? Object.entries(LETTERS).map(([name, letter]) => {
        const [first, last] = LIMITS[name];
        const options = Array.from({ length: last - first + 1 }, (_, k) => h("option", {}, String(first + k)));
        const select = h("select", { "aria-label": `${letter} of layer ${l}`, style: "padding: 0; width: 2.2rem" }, ...options);
        select.addEventListener("change", () => {
          const layer = state.layers[l - 1];
          layer[name] = Number(select.value);
          layer.padding = Math.min(layer.padding, mostPadding(layer));
          figure.draw();
        });
        return select;
      }) : [];
      const remove = figure.button(h("span"), "×", () => {
        figure.set({ layers: state.layers.filter((_, k) => k !== l - 1), layer: Math.min(state.layer, state.layers.length - 1) });
        drawing.focus();
      });
      remove.setAttribute("aria-label", `Remove layer ${l}`);
      remove.style.padding = "0 0.35rem";
      const numbers = [0, 1, 2].map(() => h("td", { style: `${PAD}; min-width: 1.5rem; text-align: center` }));
      const line = h("tr", {}, head(l || "input", "row"), ...(l ? selects.map((select) => cell(select)) : [h("td", { colspan: 4 })]), ...numbers, cell(...(l ? [remove] : [])));
      table.append(line);
      lines[l] = { line, selects, remove, numbers };
    }
    const mostPadding = ({ kernel_size, dilation }) => Math.floor((sizes.span(kernel_size, dilation) - 1) / 2);

    const equations = [0, 1, 2].map(() => figure.line("equation"));
    equations.forEach((line, k) => (line.style.cssText = `margin: ${k ? 0 : 0.5}rem 0 0; font-size: 1rem`));
    right.append(...equations);
    const say = figure.sentence();

    // ---------------------------------------------------------------- where nodes stand, counted in inputs
    const place = (l, i) => {
      const [size, jump, start] = fields.fields(state.layers)[l];
      return start + i * jump + (size - 1) / 2;
    };
    // Choose the node of layer l that is nearest to this place.
    const go = (l, x) => {
      const layer = clamp(l, 0, fields.nodes(state.n, state.layers).length - 1);
      figure.set({ layer, node: Math.round((x - place(layer, 0)) / fields.fields(state.layers)[layer][1]) });
    };
    let pitch, first;
    const across = (x) => LEFT + (x - first + 0.5) * pitch;
    const up = (l) => BOTTOM - (l * (BOTTOM - TOP)) / state.layers.length;
    figure.onDrag(drawing, (x, y) =>
      go(Math.round(((BOTTOM - y) * state.layers.length) / (BOTTOM - TOP)), first - 0.5 + (x - LEFT) / pitch));

    figure.onDraw(() => {
      const { n, layers } = state;
      const all = fields.fields(layers), counts = fields.nodes(n, layers), broken = layers[counts.length - 1];
      const layer = (state.layer = clamp(state.layer, 0, counts.length - 1));
      const i = (state.node = clamp(state.node, 0, counts[layer] - 1));
      const seen = fields.seen(n, layers, layer, i);

      // what stands farthest to the left and to the right, padding included
      const ends = counts.map((count, l) => [-1, 1].map((side) => {
        const zeros = l + 1 < counts.length ? layers[l].padding : 0;
        return place(l, side < 0 ? -zeros : count - 1 + zeros);
      }));
      first = Math.min(...ends.map(([left]) => left));
      pitch = Math.min((WIDTH - LEFT) / (Math.max(...ends.map(([, right]) => right)) - first + 1), 26);
      const radius = Math.min(10, 0.46 * pitch);

      const edges = [[], []];
      const dots = [];
      counts.forEach((count, l) => {
        const marked = new Set(seen[l]);
        const zeros = l + 1 < counts.length ? layers[l].padding : 0;
        const crowded = count > 10 && pitch * all[l][1] < 16; // no room for two digits side by side: every second one
        dots.push(h("text", { x: 0, y: up(l), style: "text-anchor: start; fill: var(--quiet)" }, l ? `layer ${l}` : "input"));
        for (let j = -zeros; j < count + zeros; j++) {
          const inside = j >= 0 && j < count, chosen = l === layer && j === i;
          dots.push(h("circle", {
            cx: across(place(l, j)), cy: up(l), r: chosen ? radius + 1.5 : radius,
            fill: chosen ? "var(--blue)" : marked.has(j) ? "color-mix(in srgb, var(--blue) 30%, var(--paper))" : "var(--paper)",
            stroke: marked.has(j) ? "var(--blue)" : "var(--quiet)", "stroke-width": marked.has(j) ? 2 : 1,
            ...(inside ? {} : { "stroke-dasharray": "2 2" }),
          }));
          if (inside && !(crowded && (j - (l === layer ? i : 0)) % 2))
            dots.push(h("text", { x: across(place(l, j)), y: up(l), style: `font-size: ${pitch < 15 ? 10.5 : 11.5}px; fill: var(--${chosen ? "paper" : "ink"})` }, String(j)));
          if (!inside || !l) continue;
          for (const k of fields.below(j, layers[l - 1])) {
            const on = marked.has(j);
            edges[+on].push(h("line", {
              x1: across(place(l, j)), y1: up(l), x2: across(place(l - 1, k)), y2: up(l - 1),
              stroke: on ? "var(--blue)" : "var(--ink)", "stroke-width": on ? 1.8 : 1, opacity: on ? 1 : 0.18,
            }));
          }
        }
      });
      figure.show(drawing, WIDTH, HEIGHT, [...edges[0], ...edges[1], ...dots]);

      lines[layers.length].line.before(heads);
      add.disabled = layers.length === MOST;
      lines.forEach(({ line, selects, remove, numbers }, l) => {
        const there = l <= layers.length;
        line.style.visibility = there ? "" : "hidden";
        line.style.background = l === layer ? "var(--faint)" : "";
        remove.disabled = !there || layers.length === 1;
        selects.forEach((select, k) => {
          select.disabled = !there;
          if (there) select.value = layers[l - 1][Object.keys(LETTERS)[k]];
        });
        if (there && l)
          for (const option of selects[2].options) option.disabled = Number(option.value) > mostPadding(layers[l - 1]);
        numbers.forEach((each, k) => (each.textContent = there && l < counts.length ? number(all[l][k]) : ""));
      });

      const [size, jump, start] = all[layer];
      const from = (l) => (l ? `layer ${l}` : "the input");
      if (layer) {
        const { kernel_size: F, stride: S, padding: P, dilation: d } = layers[layer - 1];
        const [r0, j0, s0] = all[layer - 1], l = low(layer), b = low(layer - 1);
        equations[0].textContent = `r${l} = r${b} + (F${l} − 1) d${l} j${b} = ${r0} + ${F - 1} · ${d} · ${j0} = ${size}`;
        equations[1].textContent = `s${l} = s${b} − P${l} j${b} = ${number(s0)} − ${P} · ${j0} = ${number(start)}`;
        equations[2].textContent = `j${l} = j${b} S${l} = ${j0} · ${S} = ${jump}`;
      } else [`r${low(0)} = 1`, `s${low(0)} = 0`, `j${low(0)} = 1`].forEach((text, k) => (equations[k].textContent = text));

      const span = (nodes) => {
        if (nodes.length < 2) return nodes.length ? `node ${nodes[0]}` : "nothing but padding";
        const whole = nodes.at(-1) - nodes[0] === nodes.length - 1;
        return `nodes ${whole ? `${nodes[0]} to ${nodes.at(-1)}` : nodes.join(", ")}`;
      };
      const begin = start + i * jump, end = begin + size - 1, inputs = seen[0];
      const own = inputs.length === size ? "" : `; of these it sees ${span(inputs)}`;
      say(
        (broken ? `Invalid: the filter of layer ${counts.length} covers ${sizes.span(broken.kernel_size, broken.dilation)} nodes, and the padded row below has only ${counts.at(-1) + 2 * broken.padding}. ` : "") +
        `Node ${i} of ${from(layer)} sees ` +
        (layer
          ? seen.slice(1, layer).map((nodes, l) => `${span(nodes)} of layer ${l + 1}, `).reverse().join("") +
            `${layer > 1 ? "and " : ""}in the input r = ${size} node${size > 1 ? "s" : ""}, from s + i · j = ${number(start)} + ${i} · ${jump} = ${number(begin)} to ${number(begin)} + ${size} − 1 = ${number(end)}${own}.`
          : "itself."),
      );
    });
  });
})();
