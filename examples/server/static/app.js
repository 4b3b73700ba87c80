// The two things that pages cannot do without a script: the code of Google's popup, and
// the progress of an upload. Everything else works without.

// failed shows what a problem means, in words of the server.
async function failed(response) {
  const problem = await response.json().catch(() => ({}));
  location.assign("/message?about=" + encodeURIComponent(problem.code ?? "server_error"));
}

const asScript = { "X-Requested-With": "page", Accept: "application/json" };

const popup = document.getElementById("popup");
popup?.addEventListener("click", () => {
  if (!window.google) return location.assign("/sign-in"); // its script was blocked, or is slow
  const client = google.accounts.oauth2.initCodeClient({
    client_id: popup.dataset.clientId,
    scope: popup.dataset.scope,
    ux_mode: "popup",
    callback: async ({ code, error }) => {
      if (error) return location.assign("/message?about=" + (error === "access_denied" ? "denied" : "retry_later"));
      const response = await fetch("/sign-in/popup", { method: "POST", headers: asScript, body: new URLSearchParams({ code }) });
      if (response.ok) location.assign("/account");
      else await failed(response);
    },
    error_callback: (error) => error.type === "popup_failed_to_open" && location.assign("/sign-in"),
  });
  client.requestCode();
});

const upload = document.getElementById("upload");
upload?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file] = upload.elements.file.files;
  if (file.size > upload.dataset.max) return location.assign("/message?about=upload_large");
  const bar = document.getElementById("bar");
  const progress = bar.querySelector("progress");
  upload.elements.size.value = file.size;
  const body = new FormData(upload);
  bar.hidden = false;
  upload.querySelector("button").disabled = true;
  progress.max = file.size || 1;
  const ask = async () => {
    const response = await fetch("/files/progress?upload=" + encodeURIComponent(upload.elements.upload.value));
    if (response.ok) progress.value = Math.max(progress.value, (await response.json()).done ?? 0);
  };
  const timer = setInterval(() => ask().catch(() => {}), 300);
  const response = await fetch(upload.action, { method: "POST", headers: asScript, body }).catch(() => Response.json({ code: "retry_later" }, { status: 503 }));
  clearInterval(timer);
  if (response.ok) location.assign("/files");
  else await failed(response);
});
