/**
 * A screen that stands alone: it begins anew when nobody touches it, and offers no way out.
 *
 * No selection, no context menu, no dragging, no zoom by pinch, wheel or key, no printing, no leaving by a dropped file or the
 * history. The browser's own kiosk mode keeps the address bar away; the page keeps everything else.
 */

import { signal } from "@preact/signals";

import { beginAnew } from "./state";

/** Whether the attract loop runs. */
export const resting = signal(false);

const SIGNS_OF_LIFE = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;
const ZOOM_KEYS = ["+", "-", "=", "0", "p", "s", "o", "u", "f", "g"];

function stop(event: Event): void {
  event.preventDefault();
}

function stopZoom(event: WheelEvent): void {
  if (event.ctrlKey) event.preventDefault();
}

function stopKeys(event: KeyboardEvent): void {
  const shortcut = (event.ctrlKey || event.metaKey) && ZOOM_KEYS.includes(event.key.toLowerCase());
  const history = event.altKey && (event.key === "ArrowLeft" || event.key === "ArrowRight");
  if (shortcut || history || event.key === "F5" || event.key === "F3") event.preventDefault();
}

export function guard(idleSeconds: number): void {
  resting.value = true;
  document.documentElement.dataset.kiosk = "yes";
  for (const kind of ["contextmenu", "selectstart", "dragstart", "gesturestart"]) document.addEventListener(kind, stop);
  document.addEventListener("wheel", stopZoom, { passive: false });
  document.addEventListener("keydown", stopKeys);
  document.addEventListener("touchmove", (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });
  history.replaceState(null, "", location.href.split("#")[0]);

  let since = performance.now();
  for (const kind of SIGNS_OF_LIFE) {
    document.addEventListener(kind, () => (since = performance.now()), { passive: true, capture: true });
  }
  setInterval(() => {
    if (!resting.value && performance.now() - since > idleSeconds * 1000) {
      resting.value = true;
      void beginAnew();
    }
  }, 500);
}
