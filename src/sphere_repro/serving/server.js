"use strict";
// Asks the server that this page came from.
// Takes a view, its settings and files by name ("first", "second"); gives the answer, or an Error with a sentence.
globalThis.ask = async (view, settings, files) => {
  const given = Object.entries(files).filter(([, file]) => file);
  const sent = {};
  if (given.length) {
    sent.method = "POST";
    sent.body = new FormData();
    for (const [name, file] of given) sent.body.append(name, file);
  }
  let response;
  try {
    response = await fetch(`${view}?${new URLSearchParams(settings)}`, sent);
  } catch {
    throw new Error("The server does not answer. Start sphere-repro serve again, and reload this page.");
  }
  const found = await response.json().catch(() => null);
  if (response.ok && found) return found;
  throw new Error(found?.error ?? `The server refused: ${response.statusText || response.status}.`);
};
