// Who is signed in. undefined: not known yet; null: nobody; otherwise {pubkey, role, csrf, expires_at}.

import { createStore } from "./store.js";

export const session = createStore(undefined);

/** Why this person cannot act, or null if they can. */
export const whyReadOnly = (who) =>
  who?.role === "admin" ? null : "Your key may look but not change anything. An admin can do this.";
