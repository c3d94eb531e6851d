// The scene of a test: which server the browser is pointed at, and how its relays come to fail and recover.
//
// DASHBOARD_URL is the server's origin, DASHBOARD_CONTROL the origin of the harness around it. The harness answers POST:
//   /login-link {role?}             {url}: a one-time link to sign in with, as an admin or as a reader ("readonly")
//   /sign {event}                   the event, signed by an admin's key
//   /relay {subdomain, fails}       {relay_id, host}: a new relay; with `fails` zooid refuses it for good, quoting a secret
//   /heal                           zooid accepts everything from now on
//   /failures {prefix, relays}      {causes: [{pattern, relays}]}: that many relays, given up for three causes
//   /stop, /start                   the server goes away, and comes back at the same address

/** `{base, control(name, body)}` */
export function openScene() {
  const { DASHBOARD_URL: base, DASHBOARD_CONTROL: controls } = process.env;
  if (!base || !controls) throw new Error("DASHBOARD_URL and DASHBOARD_CONTROL are not set: `cargo test -p caravel dashboard` sets them");
  return {
    base,
    async control(name, body = {}) {
      const response = await fetch(`${controls}/${name}`, { method: "POST", body: JSON.stringify(body) });
      if (!response.ok) throw new Error(`the harness could not ${name}: ${await response.text()}`);
      return response.json();
    },
  };
}
