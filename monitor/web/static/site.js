// What a page can know and do of the machine it is open on: electricity, and a screen that stays awake.

// Where the browser tells (secure pages in Chromium): { charging, charge, left } at each change.
export async function watchBattery(take) {
  if (!navigator.getBattery) return;
  try {
    const battery = await navigator.getBattery();
    const told = () => take({
      charging: battery.charging,
      charge: battery.level,
      left: Number.isFinite(battery.dischargingTime) ? battery.dischargingTime : null,
    });
    for (const name of ["chargingchange", "levelchange", "dischargingtimechange"]) battery.addEventListener(name, told);
    told();
  } catch {
    // not allowed: as if the browser did not tell
  }
}

// tell(true) while the screen is kept awake. A lock is let go when the page is hidden, so it is asked for again.
export function keepAwake(tell) {
  const ask = async () => {
    if (document.visibilityState !== "visible") return;
    try {
      const lock = await navigator.wakeLock.request("screen");
      lock.addEventListener("release", () => tell(false));
      tell(true);
    } catch {
      tell(false); // not offered (only secure pages have it), or refused: the battery is low
    }
  };
  document.addEventListener("visibilitychange", ask);
  ask();
}
