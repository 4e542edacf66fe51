"use strict";
// Where a person moves between points: along an arc of the sphere, or over a square of pictures.
// Both take how many pictures there are, which one is chosen, and whom to tell of another choice.

const SVG = "http://www.w3.org/2000/svg";

const drawn = (name, attributes, text) => {
  const found = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  if (text) found.textContent = text;
  return found;
};

// The plane through both ends and the centre: the sphere is a circle in it, and `angles` are true.
globalThis.arc = (angles, chosen, choose) => {
  const whole = angles[angles.length - 1], place = angle => {
    const turned = (90 + whole / 2 - angle) * Math.PI / 180;
    return [Math.cos(turned), -Math.sin(turned)];
  };
  const svg = drawn("svg", { viewBox: "-1.25 -1.3 2.5 2.5", role: "slider", tabindex: 0, "aria-label": "point on the way",
    "aria-valuemin": 1, "aria-valuemax": angles.length });
  const [first, last] = [place(0), place(whole)];
  svg.append(drawn("circle", { r: 1, class: "sphere" }));
  svg.append(drawn("path", { class: "way", d: `M ${first} A 1 1 0 ${whole > 180 ? 1 : 0} 1 ${last}` }));
  for (const angle of angles) {
    const [cx, cy] = place(angle);
    svg.append(drawn("circle", { cx, cy, r: .03, class: "stop" }));
  }
  const ray = drawn("line", { class: "ray", x1: 0, y1: 0 }), handle = drawn("circle", { r: .085, class: "handle" });
  svg.append(drawn("circle", { r: .02, class: "stop" }), ray, handle);
  svg.append(drawn("text", { x: first[0] * 1.15, y: first[1] * 1.15 }, "A"), drawn("text", { x: last[0] * 1.15, y: last[1] * 1.15 }, "B"));
  const show = at => {
    const [x, y] = place(angles[at]);
    for (const [key, value] of [["cx", x], ["cy", y]]) handle.setAttribute(key, value);
    for (const [key, value] of [["x2", x], ["y2", y]]) ray.setAttribute(key, value);
    svg.setAttribute("aria-valuenow", at + 1);
    svg.setAttribute("aria-valuetext", `${at + 1} of ${angles.length}, ${angles[at].toFixed(1)} degrees from the first`);
  };
  const nearest = event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const distances = angles.map(angle => Math.hypot(at.x - place(angle)[0], at.y - place(angle)[1]));
    return distances.indexOf(Math.min(...distances));
  };
  let now = chosen;
  const move = at => {
    now = Math.min(Math.max(at, 0), angles.length - 1);
    show(now);
    choose(now);
  };
  svg.addEventListener("pointerdown", event => { svg.setPointerCapture(event.pointerId); svg.focus(); move(nearest(event)); });
  svg.addEventListener("pointermove", event => { if (svg.hasPointerCapture(event.pointerId)) move(nearest(event)); });
  svg.addEventListener("keydown", event => {
    const to = { ArrowRight: now + 1, ArrowUp: now + 1, ArrowLeft: now - 1, ArrowDown: now - 1, Home: 0, End: angles.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  show(now);
  return svg;
};

// `buttons`: one for each picture, row by row.
globalThis.square = (buttons, side, chosen, choose) => {
  const pad = document.createElement("div");
  pad.className = "square";
  pad.setAttribute("role", "group");
  pad.setAttribute("aria-label", "pictures between four points");
  pad.style.gridTemplateColumns = `repeat(${side}, max-content)`;
  pad.append(...buttons);
  let now = chosen;
  const show = () => buttons.forEach((button, at) => {
    button.classList.toggle("chosen", at === now);
    button.setAttribute("aria-pressed", at === now);
    button.tabIndex = at === now ? 0 : -1;
  });
  const move = at => {
    if (at < 0 || at >= buttons.length) return;
    now = at;
    show();
    choose(now);
  };
  const under = event => buttons.indexOf(document.elementFromPoint(event.clientX, event.clientY)?.closest("button"));
  pad.addEventListener("pointerdown", event => { event.preventDefault(); pad.setPointerCapture(event.pointerId); move(under(event)); buttons[now].focus(); });
  pad.addEventListener("pointermove", event => { if (pad.hasPointerCapture(event.pointerId)) move(under(event)); });
  pad.addEventListener("keydown", event => {
    const column = now % side, to = { ArrowRight: column < side - 1 ? now + 1 : now, ArrowLeft: column ? now - 1 : now,
      ArrowDown: now + side, ArrowUp: now - side, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
    buttons[now].focus();
  });
  show();
  return pad;
};
