// Small drawings, 16 by 16, in the colour of the text beside them. They never stand for a word alone.

import { html } from "../vendor/htm/standalone.module.js";

const PATHS = {
  synced: "M3 8.5 6.5 12 13 4.5",
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM8 5v3.2L10 9.5",
  running: "M5 3.2v9.6l7.5-4.8Z",
  retrying: "M13 4v3.5H9.5M12.6 7.3A5 5 0 1 0 12.8 10",
  failed: "M4 4l8 8M12 4l-8 8",
  held: "M4 2.5h8M4 13.5h8M5 2.5c0 3 3 3.5 3 5.5 0-2 3-2.5 3-5.5M5 13.5c0-3 3-3.5 3-5.5 0 2 3 2.5 3 5.5",
  paused: "M5.5 3.5v9M10.5 3.5v9",
  quarantined: "M8 2 13 4v4c0 3-2 5-5 6-3-1-5-3-5-6V4ZM8 5.5V8.5M8 10.8v.1",
  sync: "M2.8 6.5A5.5 5.5 0 0 1 13 6M13 2.8V6H9.8M13.2 9.5A5.5 5.5 0 0 1 3 10M3 13.2V10h3.2",
  release: "M4 7.5h8v6H4ZM5.5 7.5V5a2.5 2.5 0 0 1 4.8-1",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.3 10.3 13.5 13.5",
  warning: "M8 2.5 14 13H2ZM8 6.5v3M8 11.2v.1",
  probe: "M2 9h2.5L6 4l3 9 2-6 1 2h2",
  copy: "M5.5 5.5h7v8h-7ZM3.5 10.5v-8h7",
  offline: "M2 2l12 12M3 7a8 8 0 0 1 3-1.8M13 7a8 8 0 0 0-4-2.2M5.5 9.8A4 4 0 0 1 8 9M8 12.5v.1",
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>
`;
