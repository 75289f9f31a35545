// The player page of one asset. Plays HLS where the browser does so natively, else the progressive MP4.

const HLS_TYPE = "application/vnd.apple.mpegurl";
const IDLE_MS = 2600; // How long the controls stay after the last movement while the video plays.
const SKIP_SECONDS = 5;
const PREVIEW_WIDTH = 178;
const STILL_WIDTH = 104;

const $ = (id) => document.getElementById(id);
const assetId = decodeURIComponent(location.pathname.split("/").filter(Boolean).pop() ?? "");
const video = $("video");
const player = $("player");
const timeline = $("timeline");

let publication = null;
let tiles = []; // Scrubbing thumbnails: {start, end, x, y, width, height}
let sprite = null; // {url, width, height}
let stretches = []; // The rail's parts, one a chapter: {start, end, loaded, played}
let captionTrack = null;
let isAnnotated = false; // Whether the picture is the one with boxes and tracks.
const captionTracks = [];
let idleTimer = 0;
let isSeeking = false;

start();

async function start() {
  const answer = await fetch(`../media/${encodeURIComponent(assetId)}`).catch(() => null);
  const asset = await answer?.json().catch(() => null); // A proxy whose server is away answers with a page of its own.
  if (!asset) return refuse("The server does not answer.", "Reload the page in a moment.");
  if (answer.status === 404) return refuse("There is no such video.", "It plays here as soon as it is published.");
  if (!answer.ok) return refuse(asset.title, asset.detail);
  publication = asset.publication;
  describe(asset);
  addTracks();
  describeAnalysis();
  loadPicture();
  await loadThumbnails();
  drawChapters();
}

function refuse(title, detail = "") {
  document.body.dataset.state = "refused";
  $("title").textContent = title;
  document.title = `${title.replace(/\.$/, "")} – Dailies`;
  $("facts").textContent = detail;
  say(title);
}

// --- what the page says ---

function describe(asset) {
  const top = publication.renditions[0];
  document.title = `${publication.title} – Dailies`;
  document.body.dataset.state = "ready";
  document.documentElement.style.setProperty("--shape", top.width / top.height);
  $("title").textContent = publication.title;
  $("edition").textContent = `Version ${publication.version}`;
  $("total").textContent = clock(publication.duration_seconds);
  $("facts").replaceChildren(
    ...[
      clock(publication.duration_seconds),
      `${asset.width} × ${asset.height}`,
      `${rate(asset.frame_rate)} fps`,
      bytes(asset.size_bytes),
      new Date(publication.published_at).toLocaleDateString(undefined, { dateStyle: "long" }),
    ].map((text) => element("span", { textContent: text })),
  );
  describeProvenance(publication.provenance);
  $("renditions").replaceChildren(...publication.renditions.map(renditionRow));
  $("qualityPanel").hidden = false;
  $("files").replaceChildren(...fileLinks().map(([name, url]) => {
    const item = element("li");
    item.append(element("a", { textContent: name, href: url }));
    return item;
  }));
  $("filesPanel").hidden = false;
}

// One line, and only where AI had a share; what was done in full behind it.
function describeProvenance(said) {
  if (!said?.summary) return;
  $("madeLine").textContent = `${said.is_ai_generated ? "Made with AI" : "With AI"}: ${said.summary}`;
  $("madeActions").replaceChildren(...said.actions.map((action) => {
    const item = element("li", { textContent: action.description });
    const by = (action.models.length ? action.models : [action.agent]).map(({ name, version }) => `${name} ${version}`.trim());
    item.append(element("small", { textContent: by.join(", ") }));
    return item;
  }));
  $("madeSigned").textContent = said.signed.length ? `Signed into the files (Content Credentials): ${said.signed.join(", ")}.` : "";
  $("made").hidden = false;
}

function describeAnalysis() {
  const found = publication.analysis;
  if (!found) return;
  const { urls } = found;
  $("analysisPanel").hidden = false;
  $("analysisAlarm").hidden = !found.is_simulated;
  $("analysisSentences").replaceChildren(...found.sentences.map((text) => element("li", { textContent: text })));
  for (const [id, url] of [["eventsChart", urls.events_chart], ["heatMap", urls.heat_map]]) {
    $(id).href = url;
    $(id).firstElementChild.src = url;
  }
  const files = [
    ["Annotated MP4", urls.annotated], ["Events", urls.events], ["Telemetry Parquet", urls.telemetry],
    ["Telemetry CSV", urls.telemetry_csv], ["Frames Parquet", urls.frames], ["Frames CSV", urls.frames_csv],
    ["Summary", urls.summary_text], ["Summary JSON", urls.summary],
  ];
  $("analysisFiles").replaceChildren(...files.filter(([, url]) => url).map(([name, url]) => {
    const item = element("li");
    item.append(element("a", { textContent: name, href: url }));
    return item;
  }));
  for (const id of ["viewSwitch", "analysisToggle", "analysisKey"]) $(id).hidden = !urls.annotated;
}

function renditionRow(rendition) {
  const row = element("tr");
  row.dataset.height = rendition.height;
  row.append(
    element("th", { textContent: rendition.name, scope: "row" }),
    element("td", { textContent: `${rendition.width} × ${rendition.height}` }),
    element("td", { textContent: `${rendition.average_kbps.toLocaleString()} kb/s` }),
  );
  return row;
}

function fileLinks() {
  const { urls, captions } = publication;
  const links = [["HLS", urls.hls], ["DASH", urls.dash], ["MP4", urls.mp4], ["Poster", urls.poster]];
  if (urls.preview) links.push(["Preview", urls.preview]);
  if (urls.audio) links.push(["Sound", urls.audio]);
  for (const track of captions) {
    links.push([`${track.label} VTT`, track.vtt_url]);
    if (track.srt_url) links.push([`${track.label} SRT`, track.srt_url]);
  }
  return links;
}

// --- picture and tracks ---

function loadPicture() {
  video.poster = publication.urls.poster;
  if (new URLSearchParams(location.search).get("view") === "analysis" && publication.analysis?.urls.annotated) {
    showAnnotated(true);
  } else useBest();
  const asked = Number(new URLSearchParams(location.hash.slice(1)).get("t"));  // what a hit of the search names
  if (asked > 0) video.addEventListener("loadedmetadata", () => { video.currentTime = asked; }, { once: true });
}

function useBest() {
  const isMp4Asked = new URLSearchParams(location.search).get("source") === "mp4";
  if (isMp4Asked || !video.canPlayType(HLS_TYPE)) useMp4();
  else useSource(publication.urls.hls, "HLS");
}

// The picture with boxes and tracks, or the one without, at the same place.
function showAnnotated(wanted) {
  if (wanted === isAnnotated || !publication.analysis?.urls.annotated) return;
  isAnnotated = wanted;
  const { currentTime, paused } = video;
  if (wanted) useSource(publication.analysis.urls.annotated, "Analysis");
  else useBest();
  if (currentTime) video.addEventListener("loadedmetadata", () => { video.currentTime = currentTime; }, { once: true });
  if (!paused) play();
  $("viewPlain").setAttribute("aria-checked", !wanted);
  $("viewAnalysis").setAttribute("aria-checked", wanted);
  $("analysisToggle").setAttribute("aria-pressed", wanted);
  say(wanted ? "Analysis view" : "Video");
}

function useSource(url, kind) {
  player.dataset.source = kind;
  video.src = url;
}

function useMp4() {
  const { currentTime, paused } = video;
  useSource(publication.urls.mp4, "MP4");
  if (currentTime) video.addEventListener("loadedmetadata", () => { video.currentTime = currentTime; }, { once: true });
  if (!paused) video.play().catch(() => {});
}

video.addEventListener("error", () => {
  if (player.dataset.source === "HLS") return useMp4();
  if (isAnnotated) return showAnnotated(false);
  player.removeAttribute("data-waiting");
  $("notice").textContent = "This video cannot be played here.";
  $("notice").hidden = false;
});

function addTracks() {
  // Chromium does not read the text tracks of an HLS playlist, so they come as elements, from the same files.
  publication.captions.forEach((caption, index) => {
    const track = element("track", { kind: "captions", srclang: caption.language, label: caption.label, src: caption.vtt_url });
    video.append(track);
    captionTracks.push(track.track);
    track.track.addEventListener("cuechange", drawCaptions);
  });
  if (publication.urls.chapters) {
    const track = element("track", { kind: "chapters", label: "Chapters", src: publication.urls.chapters });
    video.append(track);
    track.track.mode = "hidden";
  }
  if (!captionTracks.length) return;
  for (const id of ["captionsToggle", "captionsKey"]) $(id).hidden = false;
  const wanted = localStorage.getItem("captions") ?? "on";
  const language = captionTracks.findIndex((track) => track.language === wanted);
  showCaptions(wanted === "off" ? -1 : Math.max(0, language));
}

// Shows one of the tracks, or none (-1).
function showCaptions(index) {
  captionTrack = captionTracks[index] ?? null;
  // "hidden" loads the cues and tells when they change; we draw them, so that they keep clear of the controls.
  for (const track of captionTracks) track.mode = track === captionTrack ? "hidden" : "disabled";
  localStorage.setItem("captions", captionTrack?.language ?? "off");
  $("captionsToggle").setAttribute("aria-pressed", captionTrack !== null);
  $("captionsToggle").title = `Captions: ${captionTrack?.label ?? "off"} (c)`;
  drawCaptions();
}

function drawCaptions() {
  const cues = [...(captionTrack?.activeCues ?? [])];
  $("captions").replaceChildren(...cues.map((cue) => {
    const line = element("span");
    line.append(cue.getCueAsHTML());
    return line;
  }));
}

// iOS plays full screen in its own player, over which we cannot draw.
video.addEventListener("webkitbeginfullscreen", () => { if (captionTrack?.mode === "hidden") captionTrack.mode = "showing"; });
video.addEventListener("webkitendfullscreen", () => { if (captionTrack?.mode === "showing") captionTrack.mode = "hidden"; });

// --- thumbnails and chapters ---

async function loadThumbnails() {
  const url = new URL(publication.urls.thumbnails, location.href);
  const answer = await fetch(url).catch(() => null);
  if (!answer?.ok) return;
  tiles = parseThumbnails(await answer.text());
  const image = new Image();
  image.src = publication.urls.sprite;
  await image.decode().then(
    () => { sprite = { url: image.src, width: image.naturalWidth, height: image.naturalHeight }; },
    () => { tiles = []; },
  );
}

function parseThumbnails(text) {
  const cue = /([\d:.]+)\s+-->\s+([\d:.]+)[^\n]*\r?\n[^\n]*#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)/g;
  return [...text.matchAll(cue)].map(([, from, to, x, y, width, height]) => (
    { start: seconds(from), end: seconds(to), x: +x, y: +y, width: +width, height: +height }
  ));
}

function showTile(box, time, width) {
  const tile = tiles.findLast((each) => each.start <= time + 0.001) ?? tiles[0];
  if (!tile || !sprite) return false;
  const scale = width / Math.max(tile.width, tile.height * 0.75);
  box.style.width = `${tile.width * scale}px`;
  box.style.height = `${tile.height * scale}px`;
  box.style.backgroundImage = `url("${sprite.url}")`;
  box.style.backgroundSize = `${sprite.width * scale}px ${sprite.height * scale}px`;
  box.style.backgroundPosition = `${-tile.x * scale}px ${-tile.y * scale}px`;
  return true;
}

function drawChapters() {
  const { chapters, duration_seconds: duration } = publication;
  const parts = chapters.length ? chapters : [{ start_seconds: 0, end_seconds: duration, title: "" }];
  stretches = parts.map((chapter, index) => {
    const begin = index === 0 ? 0 : chapter.start_seconds;
    const end = parts[index + 1]?.start_seconds ?? duration;
    const stretch = element("div", { className: "stretch" });
    const [loaded, played] = ["loaded", "played"].map((name) => element("i", { className: name }));
    stretch.style.flex = `${Math.max(end - begin, 0.01)} 1 0`;
    stretch.append(loaded, played);
    return { start: begin, end, title: chapter.title, box: stretch, loaded, played };
  });
  $("rail").replaceChildren(...stretches.map(({ box }) => box));
  $("chapters").replaceChildren(...chapters.map(chapterItem));
  $("chaptersPanel").hidden = !chapters.length;
  drawPosition();
}

function chapterItem(chapter, index) {
  const button = element("button", { type: "button" });
  const still = element("div", { className: "still" });
  // A little into the chapter: its first frames may still belong to a cut.
  showTile(still, chapter.start_seconds + Math.min(1, (chapter.end_seconds - chapter.start_seconds) / 4), STILL_WIDTH);
  still.append(element("i"));
  const words = element("div");
  words.append(element("strong", { textContent: chapter.title }), element("time", { textContent: clock(chapter.start_seconds) }));
  button.append(still, words);
  button.addEventListener("click", () => { seek(chapter.start_seconds); play(); });
  stretches[index].button = button;
  stretches[index].bar = still.lastChild;
  const item = element("li");
  item.append(button);
  return item;
}

// --- position ---

function length() {
  return Number.isFinite(video.duration) && video.duration > 0 ? video.duration : publication?.duration_seconds ?? 0;
}

function seek(time) {
  video.currentTime = Math.min(Math.max(0, time), Math.max(0, length() - 0.05));
  drawPosition();
}

function drawPosition() {
  if (!publication) return;
  const now = video.currentTime;
  const loadedTo = [...Array(video.buffered.length).keys()].reduce(
    (reach, index) => (video.buffered.start(index) <= now + 0.5 ? Math.max(reach, video.buffered.end(index)) : reach), 0);
  const share = (time, { start: from, end }) => Math.min(1, Math.max(0, (time - from) / Math.max(end - from, 0.001)));
  for (const stretch of stretches) {
    stretch.played.style.transform = `scaleX(${share(now, stretch)})`;
    stretch.loaded.style.transform = `scaleX(${share(loadedTo, stretch)})`;
    if (!stretch.button) continue;
    const isCurrent = now >= stretch.start && (now < stretch.end || stretch === stretches.at(-1));
    if (isCurrent !== (stretch.button.getAttribute("aria-current") === "true")) markChapter(stretch, isCurrent);
    stretch.bar.style.transform = `scaleX(${isCurrent ? share(now, stretch) : 0})`;
  }
  $("knob").style.left = `${railPosition(now)}px`;
  $("now").textContent = clock(now);
  timeline.setAttribute("aria-valuemax", Math.round(length()));
  timeline.setAttribute("aria-valuenow", Math.round(now));
  timeline.setAttribute("aria-valuetext", `${clock(now)} of ${clock(length())}`);
}

function markChapter(stretch, isCurrent) {
  stretch.button.setAttribute("aria-current", isCurrent);
  if (!isCurrent) return;
  $("nowChapter").textContent = stretch.title;
  const list = $("chapters");
  const { offsetTop, offsetHeight } = stretch.button;
  if (list.scrollHeight > list.clientHeight) list.scrollTo({ top: offsetTop - list.offsetTop - (list.clientHeight - offsetHeight) / 2 });
}

// The gaps between chapters have a width of their own, so positions go through the rail's parts.
function railPosition(time) {
  const stretch = stretches.find((each) => time < each.end) ?? stretches.at(-1);
  if (!stretch) return 0;
  const within = Math.min(1, Math.max(0, (time - stretch.start) / Math.max(stretch.end - stretch.start, 0.001)));
  return stretch.box.offsetLeft + within * stretch.box.offsetWidth;
}

function timeAt(clientX) {
  const x = Math.min(Math.max(0, clientX - timeline.getBoundingClientRect().left), timeline.clientWidth);
  const stretch = stretches.find(({ box }) => x <= box.offsetLeft + box.offsetWidth) ?? stretches.at(-1);
  if (!stretch) return 0;
  const within = Math.min(1, Math.max(0, (x - stretch.box.offsetLeft) / Math.max(stretch.box.offsetWidth, 1)));
  return stretch.start + within * (Math.min(stretch.end, length()) - stretch.start);
}

function showPreview(clientX) {
  const time = timeAt(clientX);
  const preview = $("preview");
  const chapter = stretches.find((each) => time < each.end) ?? stretches.at(-1);
  $("previewPicture").hidden = !showTile($("previewPicture"), time, PREVIEW_WIDTH);
  $("previewChapter").textContent = chapter?.title ?? "";
  $("previewTime").textContent = clock(time);
  preview.dataset.shown = "";
  const bounds = timeline.getBoundingClientRect();
  const room = bounds.width - preview.offsetWidth;
  preview.style.left = `${Math.min(Math.max(0, clientX - bounds.left - preview.offsetWidth / 2), Math.max(0, room))}px`;
}

timeline.addEventListener("pointermove", (event) => {
  showPreview(event.clientX);
  if (isSeeking) seek(timeAt(event.clientX));
});
timeline.addEventListener("pointerdown", (event) => {
  isSeeking = true;
  timeline.dataset.seeking = "";
  timeline.setPointerCapture(event.pointerId);
  seek(timeAt(event.clientX));
});
for (const name of ["pointerup", "pointercancel"]) {
  timeline.addEventListener(name, () => { isSeeking = false; timeline.removeAttribute("data-seeking"); });
}
timeline.addEventListener("pointerleave", () => { if (!isSeeking) $("preview").removeAttribute("data-shown"); });
timeline.addEventListener("lostpointercapture", (event) => {
  if (!timeline.contains(document.elementFromPoint(event.clientX, event.clientY))) $("preview").removeAttribute("data-shown");
});

// --- controls ---

function play() { video.play().catch(() => {}); }
function toggle() { if (video.paused) play(); else video.pause(); }
function toggleMute() { video.muted = !video.muted; say(video.muted ? "Muted" : "Sound on"); }
// From one track to the next, then to none.
function nextCaptions() {
  if (!captionTracks.length) return;
  const next = captionTracks.indexOf(captionTrack) + 1;
  showCaptions(next < captionTracks.length ? next : -1);
  say(captionTrack ? `Captions: ${captionTrack.label}` : "Captions off");
}
function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (player.requestFullscreen) player.requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen?.();
}
function setVolume(volume) { video.volume = Math.min(1, Math.max(0, volume)); video.muted = video.volume === 0; }
function say(text) { $("announcer").textContent = text; }

$("play").addEventListener("click", toggle);
$("bigPlay").addEventListener("click", toggle);
$("mute").addEventListener("click", toggleMute);
$("captionsToggle").addEventListener("click", nextCaptions);
$("fullscreen").addEventListener("click", toggleFullscreen);
$("analysisToggle").addEventListener("click", () => showAnnotated(!isAnnotated));
$("viewPlain").addEventListener("click", () => showAnnotated(false));
$("viewAnalysis").addEventListener("click", () => showAnnotated(true));
$("volume").addEventListener("input", (event) => setVolume(+event.target.value));
video.addEventListener("click", () => { if (matchMedia("(hover: hover)").matches) toggle(); else wake(); });
video.addEventListener("dblclick", toggleFullscreen);

for (const name of ["timeupdate", "progress", "seeked", "durationchange"]) video.addEventListener(name, drawPosition);
video.addEventListener("durationchange", () => { $("total").textContent = clock(length()); });
video.addEventListener("play", () => { player.dataset.playing = ""; player.dataset.begun = ""; drawPlaying(); wake(); });
for (const name of ["pause", "ended"]) {
  video.addEventListener(name, () => { player.removeAttribute("data-playing"); drawPlaying(); wake(); });
}
video.addEventListener("waiting", () => { if (!video.paused) player.dataset.waiting = ""; });
for (const name of ["playing", "canplay", "pause", "timeupdate"]) video.addEventListener(name, () => player.removeAttribute("data-waiting"));
video.addEventListener("resize", drawQuality);
video.addEventListener("volumechange", () => {
  player.toggleAttribute("data-muted", video.muted || video.volume === 0);
  $("mute").setAttribute("aria-pressed", video.muted);
  $("volume").value = video.muted ? 0 : video.volume;
});
document.addEventListener("fullscreenchange", () => $("fullscreen").setAttribute("aria-pressed", !!document.fullscreenElement));
addEventListener("resize", drawPosition);

function drawPlaying() {
  const label = video.paused ? "Play" : "Pause";
  $("play").setAttribute("aria-label", label);
  $("play").title = `${label} (space)`;
}

function drawQuality() {
  if (!video.videoHeight) return;
  const rows = [...$("renditions").children];
  const current = rows.find((row) => +row.dataset.height === video.videoHeight);
  rows.forEach((row) => row.toggleAttribute("data-current", row === current && !isAnnotated));
  if (isAnnotated) $("badge").textContent = "Analysis";
  else $("badge").textContent = `${current?.firstChild.textContent ?? `${video.videoHeight}p`} ${player.dataset.source}`;
}

function wake() {
  player.dataset.controls = "shown";
  clearTimeout(idleTimer);
  idleTimer = setTimeout(() => {
    if (!video.paused && !isSeeking && !$("controls").matches(":focus-within:has(:focus-visible)")) player.dataset.controls = "hidden";
  }, IDLE_MS);
}
for (const name of ["pointermove", "pointerdown", "focusin"]) player.addEventListener(name, wake);
player.addEventListener("pointerleave", () => { if (!video.paused && !isSeeking) player.dataset.controls = "hidden"; });

const KEYS = {
  " ": toggle, k: toggle, m: toggleMute, c: nextCaptions, f: toggleFullscreen, a: () => showAnnotated(!isAnnotated),
  ArrowLeft: () => seek(video.currentTime - SKIP_SECONDS),
  ArrowRight: () => seek(video.currentTime + SKIP_SECONDS),
  ArrowUp: () => setVolume(video.volume + 0.1),
  ArrowDown: () => setVolume(video.volume - 0.1),
  Home: () => seek(0),
  End: () => seek(length()),
};
document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || !publication) return;
  if (target.matches("input, a") || (key === " " && target.matches("button"))) return;
  const isOutside = !player.contains(target) && target !== document.body;
  if (isOutside && /^(Arrow|Home|End)/.test(key)) return;
  const action = KEYS[key] ?? (/^[0-9]$/.test(key) ? () => seek(length() * +key / 10) : null);
  if (!action) return;
  event.preventDefault();
  action();
  wake();
});

// --- small things ---

function element(name, properties = {}) { return Object.assign(document.createElement(name), properties); }

function clock(time) {
  const whole = Math.max(0, Math.floor(time));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function seconds(text) { return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0); }

function rate(text) {
  const [over, under = 1] = text.split("/").map(Number);
  return String(Math.round((over / under) * 100) / 100);
}

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** power).toFixed(power && count / 1000 ** power < 10 ? 1 : 0)} ${units[power]}`;
}
