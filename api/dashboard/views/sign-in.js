// Signing in: with the browser's Nostr extension, or with a one-time link of the server's own command.

import { html, useEffect, useState } from "../vendor/htm/standalone.module.js";
import { Refused, explain, signInWithExtension, signInWithLink } from "../lib/api.js";
import { navigate, place } from "../lib/router.js";
import { useTitle } from "../lib/title.js";

// Extensions put window.nostr there some time after the page has begun.
const LOOKS = 20;
const LOOK_MS = 150;

/** Whether there is an extension: null while that is not known. */
function useExtension() {
  const [found, setFound] = useState(window.nostr ? true : null);
  useEffect(() => {
    if (found) return undefined;
    let looks = 0;
    const timer = setInterval(() => {
      looks += 1;
      if (window.nostr) setFound(true);
      else if (looks >= LOOKS) setFound(false);
      else return;
      clearInterval(timer);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return found;
}

/** The token of a one-time link. It leaves the address bar and the history at once. */
function takeToken() {
  if (place.get().path !== "/dashboard/login") return null;
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (token) window.history.replaceState(null, "", "/dashboard/login");
  return token;
}

const afterSignIn = () => {
  if (place.get().path === "/dashboard/login") navigate("/dashboard", { replace: true });
};

function reason(error) {
  if (error instanceof Refused && error.status === 403) return "This key is neither an admin's nor a reader's here.";
  return explain(error);
}

export function SignIn() {
  useTitle("Sign in");
  const extension = useExtension();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);

  async function attempt(signIn) {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await signIn();
      afterSignIn();
    } catch (failure) {
      setError(reason(failure));
    }
    setBusy(false);
  }

  useEffect(() => {
    const token = takeToken();
    if (token) attempt(() => signInWithLink(token));
  }, []);

  return html`
    <main class="sign-in" id="main">
      <img src="/dashboard/assets/icon.svg" alt="" width="44" height="44" />
      <h1 tabindex="-1">Caravel</h1>
      <p class="muted">The operators' view of every relay's sync.</p>
      ${error && html`<p class="tone-bad notice" role="alert">${error}</p>`}
      <button type="button" class="button primary large" disabled=${busy || !extension} onClick=${() => attempt(signInWithExtension)}>
        ${busy ? "Signing in" : "Sign in with your Nostr extension"}
      </button>
      <p class="muted" role="status">
        ${extension === null && "Looking for an extension."}
        ${extension === false && "No Nostr extension (NIP-07) in this browser. A one-time link works without one."}
        ${extension === true && "It signs one event that is good for this address only. Your key stays with the extension."}
      </p>
      <div class="aside">
        <h2>Or by a one-time link</h2>
        <p>On the server, run <code>caravel login-link</code> and open the address it prints. It works once, and for a few minutes.</p>
      </div>
    </main>
  `;
}
