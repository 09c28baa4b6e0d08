// Questions with answers to choose from: each is checked by a button, and says why an answer is right or wrong.
(() => {
  const { define } = globalThis.cnnFigures;
  const STYLE = `
    fieldset { border: 0; margin: 0 0 1.1rem; padding: 0; min-width: 0; }
    legend { padding: 0; margin-bottom: 0.3rem; font-weight: bold; }
    fieldset label { display: flex; align-items: baseline; padding: 0.15rem 0; }
    fieldset input { min-height: 0; flex: none; }
    fieldset button { margin-top: 0.3rem; }
    .verdict { margin: 0.4rem 0 0; padding-left: 0.6rem; border-left: 3px solid; }
    .verdict:empty { display: none; }
    .right { border-color: var(--green); }
    .wrong { border-color: var(--red); }
    .sentence { font-weight: bold; min-height: 1.5em; }`;

  define("quiz", (figure) => {
    const { h, state } = figure;
    const questions = state.questions;
    figure.root.append(h("style", {}, STYLE));

    // What was checked last, and whether it is still what is chosen.
    const shown = (i) => {
      const last = state.checked[i].at(-1);
      return last !== undefined && last === state.chosen[i] ? last : null;
    };
    const change = (name, i, value) => figure.set({ [name]: state[name].map((old, j) => (j === i ? value : old)) });
    const check = (i) => {
      const choice = state.chosen[i], before = state.checked[i];
      if (choice !== null && choice !== before.at(-1)) change("checked", i, [...before, choice]);
    };

    const parts = questions.map((question, i) => {
      const inputs = question.choices.map((_, k) => {
        const input = h("input", { type: "radio", name: `question-${i}`, value: k });
        input.addEventListener("change", () => change("chosen", i, k));
        return input;
      });
      const field = h("fieldset", {},
        h("legend", {}, `${i + 1}. ${question.text}`),
        ...question.choices.map(([text], k) => h("label", {}, inputs[k], text)),
      );
      field.addEventListener("keydown", (event) => {
        if (event.key.startsWith("Arrow")) event.stopPropagation(); // JupyterLab moves between cells by these keys
        if (event.key === "Enter" && event.target.type === "radio") {
          check(i);
          event.preventDefault();
        }
      });
      const button = figure.button(field, "Check", () => check(i));
      button.setAttribute("aria-label", `Check question ${i + 1}`);
      const verdict = h("p", { role: "status" });
      field.append(verdict);
      figure.root.append(field);
      return { inputs, verdict };
    });
    const say = figure.sentence();

    const explain = (question, choice) => {
      const why = question.choices[choice][1];
      return choice === question.right ? `✓ Right. ${why}` : `✗ Not so. ${why} Choose again.`;
    };
    figure.onDraw(() => {
      parts.forEach(({ inputs, verdict }, i) => {
        inputs.forEach((input, k) => (input.checked = state.chosen[i] === k));
        const choice = shown(i), text = choice === null ? "" : explain(questions[i], choice);
        verdict.className = "verdict " + (choice === questions[i].right ? "right" : "wrong");
        if (verdict.textContent !== text) verdict.textContent = text;
      });
      const right = questions.filter((question, i) => state.checked[i].includes(question.right)).length;
      const first = questions.filter((question, i) => state.checked[i][0] === question.right).length;
      const tried = state.checked.filter((choices) => choices.length).length;
      say(
        tried
          ? `${right} of ${questions.length} questions right, ${first} of them at the first attempt.`
          : `${questions.length} questions: choose an answer to each and check it.`,
      );
    });
  });
})();
