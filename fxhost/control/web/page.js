"use strict";
const token = new URLSearchParams(location.search).get("token") || "";
const at = (id) => document.getElementById(id);
let socket = null, shape = "", held = null, clips = { in: 0, out: 0 };

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/socket?token=${encodeURIComponent(token)}`);
  socket.onopen = () => { at("lost").hidden = true; };
  socket.onmessage = (event) => show(JSON.parse(event.data));
  socket.onclose = () => { at("lost").hidden = false; setTimeout(connect, 1000); };
}

function button(text, message) {
  const made = document.createElement("button");
  made.textContent = text;
  made.onclick = () => send(message);
  return made;
}

function build(state) {
  at("scenes").replaceChildren(...(state.scenes.length > 1 ? state.scenes : []).map((name, n) =>
    button(`${n + 1} ${name}`, { command: "choose_scene", scene: n })));
  at("slots").replaceChildren(...state.slots.map((slot, n) => {
    const box = document.createElement("div");
    box.className = "slot";
    box.append(button(slot.name, { command: "toggle_slot", slot: n }));
    slot.knobs.forEach((knob, k) => {
      if (knob.is_fine) return;
      const row = document.createElement("label"), slider = document.createElement("input");
      row.className = "knob";
      slider.type = "range"; slider.min = 0; slider.max = 1; slider.step = knob.is_switch ? 1 : 0.005;
      slider.dataset.place = `${n}.${k}`;
      slider.oninput = () => { held = slider; send({ command: "set_knob", slot: n, knob: k, position: Number(slider.value) }); };
      slider.onchange = () => { held = null; };
      row.append(knob.name, slider, document.createElement("output"));
      box.append(row);
    });
    return box;
  }));
}

function meter(side, level) {
  if (level >= -0.01) clips[side] = Date.now();
  at(side).value = Math.max(-60, level);
  at(`${side}-db`).textContent = (Date.now() - clips[side] < 2000 ? "CLIP " : "") + (level < -99 ? "−∞" : level.toFixed(1)) + " dB";
  at(`${side}-db`).className = Date.now() - clips[side] < 2000 ? "clip" : "";
}

function clock(seconds, digits) {
  const rest = (Math.floor((seconds % 60) * 10 ** digits) / 10 ** digits).toFixed(digits);
  return `${Math.floor(seconds / 60)}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}

function beside(name, part, words, digits) {
  at(name).hidden = !part;
  if (!part) return;
  at(`${name}-state`).textContent = `${words} ${clock(part.position_s, digits)} / ${clock(part.length_s, digits)}`;
  at(`${name}-place`).value = part.length_s ? part.position_s / part.length_s : 0;
  at(`${name}-gain`).textContent = `${part.level_db.toFixed(1)} dB`;
}

function showBeside(loop, song) {
  beside("loop", loop, loop && `loop ${loop.state}${loop.is_undone ? ", overdub undone" : ""}`, 1);
  beside("song", song, song && song.name, 0);
  at("loop-record").classList.toggle("warn", Boolean(loop) && ["recording", "overdubbing"].includes(loop.state));
  at("loop-play").classList.toggle("on", Boolean(loop) && ["playing", "overdubbing"].includes(loop.state));
  at("loop-undo").classList.toggle("on", Boolean(loop) && loop.is_undone);
  at("song-on").classList.toggle("on", Boolean(song) && song.is_on);
}

function show(state) {
  const now = JSON.stringify([state.scenes, state.slots.map((slot) => [slot.name, slot.knobs.map((knob) => knob.name)])]);
  if (now !== shape) { shape = now; build(state); }
  [...at("scenes").children].forEach((each, n) => each.classList.toggle("on", n === state.scene));
  state.slots.forEach((slot, n) => {
    const box = at("slots").children[n];
    box.firstChild.classList.toggle("on", slot.is_on);
    for (const row of box.querySelectorAll(".knob")) {
      const slider = row.querySelector("input"), knob = slot.knobs[Number(slider.dataset.place.split(".")[1])];
      if (slider !== held) slider.value = knob.position;
      row.querySelector("output").textContent = knob.text;
    }
  });
  at("rigs").hidden = !state.name;
  at("rig").textContent = state.name || "fxhost";
  at("time").textContent = new Date(1000 * state.seconds).toISOString().slice(state.seconds < 3600 ? 14 : 11, 19);
  meter("in", state.input_peak_db); meter("out", state.output_peak_db);
  showBeside(state.loop, state.play_along);
  at("bypass").classList.toggle("warn", state.is_bypassed);
  at("mute").classList.toggle("warn", state.is_muted && !state.is_tuning);
  at("tune").classList.toggle("warn", state.is_tuning);
  at("take").classList.toggle("warn", state.recording.length > 0);
  at("tuner").hidden = !state.is_tuning;
  at("note").textContent = state.note || "–";
  at("cents").textContent = state.note ? `${state.cents > 0 ? "+" : ""}${state.cents.toFixed(0)} ct` : "";
  at("told").textContent = state.told; at("told").hidden = !state.told;
  at("input-gain").textContent = `in ${state.input_gain_db.toFixed(1)} dB`;
  at("output-gain").textContent = `out ${state.output_gain_db.toFixed(1)} dB`;
  at("health").textContent = `${state.device} · load ${(100 * state.load).toFixed(0)} % · dropouts ${state.dropouts}`;
}

for (const each of document.querySelectorAll("[data-command]")) {
  each.onclick = () => {
    const message = { command: each.dataset.command };
    if (each.dataset.action) message.action = each.dataset.action;
    if (each.dataset.side) message.side = each.dataset.side;
    if (each.dataset.steps) message.steps = Number(each.dataset.steps);
    send(message);
  };
}
connect();
