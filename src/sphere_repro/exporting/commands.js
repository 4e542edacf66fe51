"use strict";
// The verbs that make what the page shows, and where they write it: as serving/shown.py and sampling/pictures.py say.

globalThis.commands = about => {
  const quoted = word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
  const number = value => (Number.isInteger(Number(value)) ? `${Number(value)}.0` : `${Number(value)}`);
  const noOption = place => (place.startsWith("-") ? `./${place}` : place);
  const unless = (usual, option, value) => (value === usual ? [] : [option, value]);
  const line = (verb, places, options, seed) => ["sphere-repro", verb, ...[about.place, ...places].map(noOption), ...options,
    "--seed", seed, ...unless("raw", "--weights", about.weights)].map(word => quoted(String(word))).join(" ");
  const guidance = asked => (Number(asked.guidance ?? 1) === 1 ? [] : ["--guidance", number(asked.guidance), ...unless("combo", "--position", asked.position)]);
  const classes = asked => (asked.classes ? [`--classes=${asked.classes}`] : []);
  const each = names => names.split(",").filter(Boolean).map(name => `--class=${name}`);
  const padded = (at, count) => String(at).padStart(String(count - 1).length, "0");
  const clean = word => word.replace(/[^A-Za-z0-9.-]+/g, "-");
  const ofClass = label => (label === null ? [] : [`class-${about.names[label]}`]);
  return {
    draw: (asked, steps) => {
      const scheme = steps === 1 ? [] : [...unless("fixed", "--strength", asked.strength), ...unless("shared", "--noise", asked.noise)];
      return line("generate", ["pictures"], [...each(asked.classes ?? ""), "--count", asked.count, "--steps", steps, ...scheme, ...guidance(asked)], asked.seed);
    },
    drawnImage: (folder, seed, name, steps) => line("generate", [folder], [...each(name), "--count", 1, "--steps", steps], seed),
    between: asked => line("interpolate", ["between"], [...unless("line", "--form", asked.form), "--points", asked.points,
      ...unless("linear", "--through", asked.through), "--steps", asked.steps, ...classes(asked)], asked.seed),
    edit: (asked, image) => line("edit", [image, "edited"], [...classes(asked), "--strength", number(asked.strength), "--steps", asked.steps,
      ...unless("fixed", "--scheme", asked.scheme), ...unless("shared", "--noise", asked.noise), ...guidance(asked)], asked.seed),
    stitch: (asked, images) => line("crossover", [...images, "crossed"], ["--cuts", asked.cut, "--passes", asked.passes], 0),
    files: {
      sample: (at, count, label) => `${[`sample-${padded(at, count)}`, ...ofClass(label)].map(clean).join("_")}.png`,
      point: (at, count) => `between/point-${padded(at, count)}.png`,
      place: (at, points) => `between/row-${padded(Math.floor(at / points), points)}_column-${padded(at % points, points)}.png`,
      edited: (name, step, steps) => `edited/${[...(name === null ? [] : [`class-${name}`]), `step-${padded(step, steps + 1)}`].map(clean).join("_")}.png`,
      crossed: (cut, pass, passes) => `crossed/cut-${cut}_pass-${padded(pass, passes + 1)}.png`,
    },
  };
};
