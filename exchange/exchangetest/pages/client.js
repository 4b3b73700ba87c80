// Fake of Google's page script (https://accounts.google.com/gsi/client), for tests:
// sign-in by button, prompt and popup, at a fake Google. Names are those of
// https://developers.google.com/identity/gsi/web/reference/js-reference and
// https://developers.google.com/identity/oauth2/web/reference/js-reference.
(() => {
  "use strict";
  const fake = "FAKE_URL"; // the server puts its address here
  const warn = (message) => console.warn(`[fake Google] ${message}`);
  console.info(`[fake Google] This page signs in at ${fake}, a fake for tests, and not with Google.`);

  class GoogleIdentityServicesError extends Error {
    constructor(type, message) {
      super(message);
      this.type = type;
    }
  }

  // check complains about fields that Google does not document or the fake does not
  // have, and throws for a required one that is missing, as Google's script does.
  function check(what, config, required, supported, unsupported) {
    for (const name of required) {
      if (!config[name]) {
        throw new GoogleIdentityServicesError("missing_required_parameter", `Missing required parameter ${name}.`);
      }
    }
    for (const name of Object.keys(config).filter((name) => config[name] !== undefined)) {
      if (unsupported.includes(name)) warn(`${what}: ${name} has no effect here.`);
      else if (!required.includes(name) && !supported.includes(name)) warn(`${what}: Google documents no ${name}.`);
    }
    if (!["popup", "redirect", undefined].includes(config.ux_mode)) warn(`${what}: ux_mode is neither popup nor redirect.`);
  }

  // address returns a URL of the fake. Parameters without a value are left out.
  function address(path, params) {
    const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== "");
    return `${fake}${path}?${new URLSearchParams(given)}`;
  }

  const relayURI = (id) => `storagerelay://${location.protocol.slice(0, -1)}/${location.host}?id=${id}`;
  const newID = () => `auth${crypto.getRandomValues(new Uint32Array(1))[0]}`;

  // listen calls answered with the first answer from a window of the fake. It returns
  // a function that ends the listening.
  function listen(from, id, answered) {
    const stop = () => removeEventListener("message", receive);
    function receive(event) {
      if (event.source !== from || event.origin !== new URL(fake).origin || event.data.id !== id) return;
      stop();
      const { id: _, ...answer } = event.data;
      answered(answer);
    }
    addEventListener("message", receive);
    return stop;
  }

  function openPopup(path, params, answered, failed) {
    const id = newID();
    const url = address(path, { ...params, redirect_uri: relayURI(id) });
    const left = Math.max(0, screenX + (outerWidth - 500) / 2);
    const top = Math.max(0, screenY + (outerHeight - 600) / 2);
    const popup = open(url, "_blank", `popup,width=500,height=600,left=${left},top=${top}`);
    if (!popup) {
      failed(new GoogleIdentityServicesError("popup_failed_to_open", `Failed to open popup window on url: ${url}. Maybe blocked by the browser?`));
      return;
    }
    const stop = listen(popup, id, (answer) => {
      clearInterval(timer);
      popup.close();
      answered(answer);
    });
    const timer = setInterval(() => {
      if (!popup.closed) return;
      clearInterval(timer);
      stop();
      failed(new GoogleIdentityServicesError("popup_closed", "Popup window closed"));
    }, 100);
  }

  async function post(path, fields) {
    try {
      const response = await fetch(fake + path, { method: "POST", body: new URLSearchParams(fields), credentials: "omit" });
      return await response.json();
    } catch (error) {
      return { successful: false, error: error.message };
    }
  }

  const oauth2 = {
    GoogleIdentityServicesError,

    initCodeClient(config) {
      const redirects = config.ux_mode === "redirect";
      check("initCodeClient", config, ["client_id", "scope", redirects ? "redirect_uri" : "callback"],
        ["callback", "redirect_uri", "state", "include_granted_scopes", "login_hint", "hint", "hd", "hosted_domain",
          "ux_mode", "select_account", "error_callback"],
        ["enable_granular_consent", "enable_serial_consent"]);
      const params = {
        gsiwebsdk: "3", client_id: config.client_id, scope: config.scope, response_type: "code",
        include_granted_scopes: String(config.include_granted_scopes ?? true), state: config.state,
        login_hint: config.login_hint ?? config.hint, hd: config.hd ?? config.hosted_domain,
        // Neither is documented. Popups are seen with both, so that each code brings a refresh token.
        access_type: "offline", prompt: config.select_account ? "select_account consent" : "consent",
      };
      return {
        requestCode() {
          if (redirects) {
            location.assign(address("/o/oauth2/v2/auth", { ...params, redirect_uri: config.redirect_uri }));
            return;
          }
          const answered = ({ iss, ...response }) => config.callback(response);
          openPopup("/o/oauth2/v2/auth", params, answered, (error) => config.error_callback?.(error));
        },
      };
    },

    initTokenClient() {
      throw new Error("The fake Google has no token client: a backend signs in with initCodeClient.");
    },

    revoke(accessToken, done) {
      post("/gsi/revoke", { token: accessToken }).then((answer) => done?.(answer));
    },
  };

  // csrfToken returns a new g_csrf_token, which is also in a cookie. The POST from the
  // fake's page is cross-site, so that the cookie has to be SameSite=None; some
  // browsers do not keep such a cookie of http://localhost.
  function csrfToken() {
    const token = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    const cookie = `g_csrf_token=${token}; path=/`;
    document.cookie = isSecureContext ? `${cookie}; SameSite=None; Secure` : cookie;
    if (!document.cookie.includes(token)) document.cookie = cookie;
    return token;
  }

  let settings; // of the last initialize
  let shown; // the prompt: { hide(reason) }

  const loginURI = () => settings.login_uri ? new URL(settings.login_uri, location).href : location.href.split(/[?#]/)[0];

  // deliver gives a credential to the page, or to its backend if it has no callback.
  function deliver(answer) {
    if (settings.callback) {
      settings.callback(answer);
      return;
    }
    const form = document.createElement("form");
    form.method = "post";
    form.action = loginURI();
    for (const [name, value] of Object.entries({ ...answer, g_csrf_token: csrfToken() })) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name, value });
      form.append(field);
    }
    document.body.append(form);
    form.submit();
  }

  const selectParams = () => ({
    client_id: settings.client_id, nonce: settings.nonce, login_hint: settings.login_hint, hd: settings.hd, origin: location.origin,
  });

  function signIn(state) {
    const params = { ...selectParams(), state };
    if (settings.ux_mode === "redirect") {
      location.assign(address("/gsi/select", { ...params, redirect_uri: loginURI(), g_csrf_token: csrfToken() }));
      return;
    }
    openPopup("/gsi/select", params, (answer) => answer.credential && deliver(answer), () => {});
  }

  // moment makes a PromptMomentNotification.
  function moment(type, reason) {
    return {
      getMomentType: () => type,
      isDisplayMoment: () => type === "display", isDisplayed: () => type === "display", isNotDisplayed: () => false,
      isSkippedMoment: () => type === "skipped", isDismissedMoment: () => type === "dismissed",
      getNotDisplayedReason: () => undefined,
      getSkippedReason: () => (type === "skipped" ? reason : undefined),
      getDismissedReason: () => (type === "dismissed" ? reason : undefined),
    };
  }

  const texts = {
    signin_with: "Sign in with Google", signup_with: "Sign up with Google", continue_with: "Continue with Google", signin: "Sign in",
  };
  const colors = { outline: "#fff;color:#1f1f1f", filled_blue: "#1a73e8;color:#fff", filled_black: "#202124;color:#e8eaed" };
  const heights = { large: 40, medium: 32, small: 20 };

  const id = {
    initialize(config) {
      check("initialize", config, ["client_id"],
        ["callback", "login_uri", "nonce", "ux_mode", "login_hint", "hd", "prompt_parent_id"],
        ["auto_select", "native_callback", "cancel_on_tap_outside", "context", "state_cookie_domain", "allowed_parent_origin",
          "intermediate_iframe_close_callback", "itp_support", "use_fedcm_for_prompt", "use_fedcm_for_button",
          "button_auto_select", "color_scheme"]);
      settings = config;
    },

    renderButton(parent, options = {}) {
      if (!settings) throw new Error("renderButton before initialize");
      check("renderButton", options, [],
        ["type", "theme", "size", "text", "shape", "logo_alignment", "width", "click_listener", "state"], ["locale"]);
      const text = texts[options.text] ?? texts.signin_with;
      const height = heights[options.size] ?? heights.large;
      const icon = options.type === "icon";
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Fake Google, for tests";
      button.setAttribute("aria-label", text);
      button.textContent = icon ? "G" : `G\u2002${text}`;
      button.style.cssText = `all:unset;box-sizing:border-box;cursor:pointer;height:${height}px;padding:0 ${icon ? 0 : height * 0.3}px;`
        + `width:${icon ? `${height}px` : options.width ? `${parseInt(options.width)}px` : "auto"};`
        + `text-align:${icon || options.logo_alignment === "center" ? "center" : "left"};border:1px dashed #747775;`
        + `border-radius:${["pill", "circle"].includes(options.shape) ? height : 4}px;background:${colors[options.theme] ?? colors.outline};`
        + `font:500 ${height > 20 ? 14 : 11}px/1 Roboto,Arial,sans-serif`;
      button.addEventListener("click", () => {
        options.click_listener?.();
        signIn(options.state);
      });
      parent.replaceChildren(button);
    },

    // prompt shows the accounts in a frame, as One Tap did before browsers had FedCM.
    prompt(listener = () => {}) {
      if (!settings) throw new Error("prompt before initialize");
      shown?.hide("flow_restarted");
      const channel = newID();
      const box = document.createElement("div");
      const place = document.getElementById(settings.prompt_parent_id);
      box.style.cssText = `position:${place ? "relative" : "fixed"};top:12px;right:12px;width:390px;height:420px;z-index:9999`;
      const frame = document.createElement("iframe");
      frame.title = "Sign in with Google";
      frame.src = address("/gsi/select", { ...selectParams(), prompted: "true", redirect_uri: relayURI(channel) });
      frame.style.cssText = "width:100%;height:100%;border:1px dashed #747775;border-radius:8px";
      const close = document.createElement("button");
      close.type = "button";
      close.textContent = "×";
      close.setAttribute("aria-label", "Close");
      close.style.cssText = "position:absolute;top:8px;right:10px";
      box.append(frame, close);
      (place ?? document.body).append(box);
      const stop = listen(frame.contentWindow, channel, (answer) => {
        if (!answer.credential) return end(moment("skipped", "user_cancel"));
        end(moment("dismissed", "credential_returned"));
        deliver(answer);
      });
      function end(notification) {
        stop();
        box.remove();
        shown = undefined;
        listener(notification);
      }
      close.addEventListener("click", () => end(moment("skipped", "user_cancel")));
      shown = { hide: (reason) => end(moment("dismissed", reason)) };
      listener(moment("display"));
    },

    cancel: () => shown?.hide("cancel_called"),
    disableAutoSelect() {}, // no account is ever selected by itself

    revoke(hint, callback) {
      if (!settings) throw new Error("revoke before initialize");
      post("/gsi/revoke", { client_id: settings.client_id, hint }).then((answer) => callback?.(answer));
    },

    storeCredential(credential, callback) {
      warn("storeCredential has no effect here.");
      callback?.();
    },
  };

  window.google = { ...window.google, accounts: { ...window.google?.accounts, id, oauth2 } };

  // readHTML is for pages that say it in attributes
  // (https://developers.google.com/identity/gsi/web/reference/html-reference).
  function readHTML() {
    const onload = document.getElementById("g_id_onload");
    if (onload) {
      const { auto_prompt, callback, ...config } = onload.dataset;
      id.initialize(callback ? { ...config, callback: (response) => window[callback](response) } : config);
      for (const parent of document.querySelectorAll(".g_id_signin")) {
        const { click_listener, ...options } = parent.dataset;
        id.renderButton(parent, click_listener ? { ...options, click_listener: () => window[click_listener]() } : options);
      }
      if (auto_prompt !== "false") id.prompt();
    }
    window.onGoogleLibraryLoad?.();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", readHTML);
  else readHTML();
})();
