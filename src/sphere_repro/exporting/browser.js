"use strict";
// Answers the page's questions with the exported networks, which onnxruntime-web runs in the browser.

globalThis.ask = (() => {
  const DRAWN_STEPS = 4;
  const bytes = base64 => Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));

  const open = async () => {
    document.getElementById("status").textContent = "The networks are opened…";
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = bytes(runtime.wasm).buffer;
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([bytes(runtime.module)], { type: "text/javascript" })) };
    const about = JSON.parse(document.getElementById("about").textContent), started = {};
    for (const [name, base64] of Object.entries(networks)) started[name] = await ort.InferenceSession.create(bytes(base64), { executionProviders: ["wasm"] });
    const network = (name, first, shape) => async (data, rows, weights) => {
      const session = started[name], feeds = { [first]: new ort.Tensor("float32", data, [rows, ...shape]) };
      if (session.inputNames.includes("weights")) feeds.weights = new ort.Tensor("float32", weights, [rows, weights.length / rows]);
      return (await session.run(feeds))[session.outputNames[0]].data;
    };
    const model = { about, encode: network("encoder", "images", [3, about.pixels, about.pixels]), decode: network("decoder", "latents", about.shape) };
    return { about, say: commands(about), beside: started.beside ? network("beside", "latents", about.shape) : null, ...drawing(model), ...images(about) };
  };
  let opening;

  // Numbers of the classes asked for; of all, where none is.
  const numbers = (about, names = "") => {
    const wanted = names.split(",").filter(Boolean).map(name => about.classes.indexOf(name));
    if (wanted.includes(-1)) throw new Error(`There is no class '${names}'.`);
    return wanted.length ? wanted : about.classes.map((_, label) => label);
  };
  const labelsOf = (about, names, count) => {
    if (!about.classes.length) return null;
    const all = numbers(about, names);
    return Array.from({ length: count }, (_, at) => all[at % all.length]);
  };
  const counted = (count, word) => `${count} ${word}${count === 1 ? "" : word.endsWith("s") ? "es" : "s"}`;

  const draw = async (me, asked) => {
    const { about } = me, count = Number(asked.count), steps = Number(asked.steps), labels = labelsOf(about, asked.classes, count);
    const generation = { steps, strength: asked.strength, noise: asked.noise };
    const samples = [...Array(count).keys()], [first, ...later] = draws.noise([Number(asked.seed), "generate"], samples, me.draws(generation), me.size);
    const condition = me.condition(count, labels && me.oneHot(labels), Number(asked.guidance ?? 1), asked.position);
    const after = asked.strength === "fixed" ? await me.generate(first, later, condition, generation) : [];
    for (let k = after.length + 1; k <= steps; k++) after.push((await me.generate(first, later, condition, { ...generation, steps: k })).at(-1));
    const shown = after.map(each => me.shown(each));
    const beside = me.beside && me.shown(await me.beside(first, count, me.oneHot(labels ?? samples.map(() => about.beside_classes), about.beside_classes)));
    return { rows: samples.map(at => ({
      name: labels ? `point ${at}, class ${about.names[labels[at]]}` : `point ${at}`,
      cells: shown.map((all, step) => ({ name: counted(step + 1, "step"), image: all[at], command: me.say.draw(asked, step + 1),
        file: `pictures/${me.say.files.sample(at, count, labels && labels[at])}` })),
      beside: beside && { name: about.beside, image: beside[at], command: "", file: "" },
    })) };
  };

  const between = async (me, asked) => {
    const { about } = me, corners = asked.form === "line" ? 2 : 4, points = Number(asked.points), steps = Number(asked.steps);
    const seed = [Number(asked.seed), "interpolate"], [ends] = draws.noise([...seed, "corner"], [...Array(corners).keys()], 1, me.size);
    const way = me.way(asked.form, points, asked.through, ends), rows = way.points.length, flat = new Float32Array(rows * me.size);
    way.points.forEach((point, at) => flat.set(point, at * me.size));
    const [one] = draws.noise([...seed, "later"], [0], 1, me.size), later = new Float32Array(rows * me.size);
    for (let at = 0; at < rows; at++) later.set(one, at * me.size);
    const labels = labelsOf(about, asked.classes, corners), width = about.classes.length + 1, weights = labels && new Float32Array(rows * width);
    if (labels) way.weights.forEach((mixed, at) => mixed.forEach((weight, end) => { weights[at * width + labels[end]] += weight; }));
    const after = await me.generate(flat, [later], me.condition(rows, weights), { steps, strength: "fixed", noise: "shared" });
    const command = me.say.between(asked), shown = me.shown(after.at(-1)), line = asked.form === "line";
    const cells = shown.map((image, at) => ({ image, command,
      name: line ? `point ${at + 1}` : `row ${Math.floor(at / points) + 1}, column ${at % points + 1}`,
      file: line ? me.say.files.point(at, points) : me.say.files.place(at, points) }));
    const side = line ? cells.length : points, from = way.points[0];
    return { rows: Array.from({ length: cells.length / side }, (_, row) => ({ name: "", cells: cells.slice(row * side, (row + 1) * side), beside: null })),
      angles: line ? way.points.map(point => me.angle(from, point) * 180 / Math.PI) : [] };
  };

  const drawnImage = async (me, folder, seed, name) => {
    const labels = labelsOf(me.about, name, 1), generation = { steps: DRAWN_STEPS, strength: "fixed", noise: "shared" };
    const [first, ...later] = draws.noise([Number(seed), "generate"], [0], me.draws(generation), me.size);
    const after = await me.generate(first, later, me.condition(1, labels && me.oneHot(labels)), generation);
    return { image: me.fromBytes(me.toBytes(after.at(-1))), file: `${folder}/${me.say.files.sample(0, 1, labels && labels[0])}`,
      before: [me.say.drawnImage(folder, seed, name ?? "", DRAWN_STEPS)], notes: [] };
  };
  const given = (me, file, folder, seed, name) => (file ? me.prepared(file) : drawnImage(me, folder, seed, name));

  const edit = async (me, asked, files) => {
    const { about } = me, from = await given(me, files.first, "drawn", asked.drawn, asked.drawn_class), steps = Number(asked.steps);
    const targets = about.classes.length ? numbers(about, asked.classes) : [null];
    const noise = draws.noise([Number(asked.seed), "edit"], [0], asked.noise === "shared" ? 1 : steps, me.size);
    const command = [...from.before, me.say.edit(asked, from.file)].join("\n"), rows = [];
    for (const label of targets) {
      const condition = me.condition(1, label === null ? null : me.oneHot([label]), Number(asked.guidance ?? 1), asked.position);
      const after = await me.edit(from.image, noise, condition, asked.scheme, asked.noise, Number(asked.strength), steps);
      rows.push({ name: label === null ? "refined" : `towards ${about.names[label]}`, beside: null, cells: after.map((each, step) => ({
        name: counted(step, "step"), image: me.shown(each, step ? Math.floor : Math.round)[0], command,
        file: me.say.files.edited(targets.length > 1 ? about.names[label] : null, step, steps) })) });
    }
    return { rows, notes: from.notes };
  };

  const stitch = async (me, asked, files) => {
    const { about } = me, first = await given(me, files.first, "drawn-1", asked.drawn, asked.drawn_class);
    const second = await given(me, files.second, "drawn-2", asked.second, asked.second_class), passes = Number(asked.passes);
    const command = [...first.before, ...second.before, me.say.stitch(asked, [first.file, second.file])].join("\n");
    const condition = me.condition(1, about.classes.length ? me.oneHot([about.classes.length]) : null), rows = [];
    const starts = [[asked.cut, `stitched, ${asked.cut}`, me.stitch(first.image, second.image, asked.cut)],
      ["first", "first image", first.image], ["second", "second image", second.image]];
    for (const [cut, name, start] of starts) {
      const after = await me.edit(start, [new Float32Array(me.size)], condition, "fixed", "shared", 0, passes);
      rows.push({ name, beside: null, cells: after.map((each, pass) => ({ name: counted(pass, "pass"), image: me.shown(each, pass ? Math.floor : Math.round)[0],
        command, file: me.say.files.crossed(cut, pass, passes) })) });
    }
    return { rows, notes: [...first.notes, ...second.notes] };
  };

  const views = { draw, between, edit, stitch };
  return async (view, settings, files) => {
    let me;
    try {
      me = await (opening ??= open());
    } catch (error) {
      throw new Error(`The networks cannot be run in this browser: ${error.message}`);
    }
    const started = performance.now(), found = await views[view](me, settings, files);
    return { notes: [], angles: [], ...found, milliseconds: Math.round(10 * (performance.now() - started)) / 10 };
  };
})();
