"use strict";

// A filter takes effect when it is changed; without a script there is a button.
for (const field of document.querySelectorAll("form.filters select")) {
  field.addEventListener("change", () => field.form.submit());
}

// Keeps a note, and shows it among the others.
const note = document.getElementById("note");
if (note) {
  note.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { at_ms: Number(note.at_ms.value), text: note.text.value, token: note.dataset.token };
    const answer = await fetch(note.dataset.to, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (answer.ok) location.reload();
    else document.getElementById("note-said").textContent = "Not kept: " + await answer.text();
  });
}

// Follows a run that goes on.
const live = document.getElementById("live");
if (live) {
  const source = new EventSource(live.dataset.events);
  const set = (id, text) => { document.getElementById(id).textContent = text; };
  source.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    set("live-operations", now.operations.toLocaleString("en"));
    set("live-stale", now.stale.toLocaleString("en"));
    set("live-faults", now.faults.length ? now.faults.join(", ") : "none");
    document.title = (now.stale ? "✗ " + now.stale.toLocaleString("en") + " stale · " : "") +
      (now.time_ms / 1000).toFixed(0) + " s · quarrel";
    set("live-failed", now.failed.toLocaleString("en"));
    set("live-time", (now.time_ms / 1000).toFixed(1) + " s");
    set("live-rate", Math.round(now.rate).toLocaleString("en"));
    const bar = document.getElementById("live-bar");
    bar.value = Math.min(bar.max, now.time_ms);
    const quiet = now.quiet_ms < 3000 ? "" : "Nothing was written for " +
      Math.round(now.quiet_ms / 1000) + " s: it is being judged, or was killed.";
    set("live-quiet", now.more ? "Not all is counted: " + now.more + ". " + quiet : quiet);
  });
  source.addEventListener("done", () => {
    source.close();
    location.reload();
  });
}
