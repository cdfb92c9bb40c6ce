/** The one event stream: opens it, watches it, opens it again. Knows nothing of what the events mean. */

import type { Beat, Change, Snapshot, UnreceiptedItem } from "./types";

export interface LiveHandlers {
  snapshot(data: Snapshot): void;
  change(data: Change): void;
  beat(data: Beat): void;
  unreceipted(items: UnreceiptedItem[]): void;
  /** The stream broke; `opened` says whether it had ever spoken since it was last opened. */
  broken(opened: boolean): void;
}

/** A stream that is open but says nothing for this long is dead: a half-open TCP connection reports no error. */
const silenceLimitMs = 6000;
const firstDelayMs = 300;
const longestDelayMs = 5000;

/** Delay before attempt n (0, 1, 2 …); `spread` in 0..1 keeps many screens from coming back in step. */
export function backOffMs(attempt: number, spread: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** attempt) * (0.75 + 0.5 * spread);
}

export class LiveStream {
  private source: EventSource | null = null;
  private attempt = 0;
  private heardAt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly watch: ReturnType<typeof setInterval>;

  constructor(
    private readonly url: string,
    private readonly handlers: LiveHandlers,
  ) {
    this.open();
    this.watch = setInterval(() => this.checkSilence(), 1000);
  }

  close(): void {
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  private open(): void {
    const source = new EventSource(this.url);
    this.source = source;
    this.heardAt = performance.now();
    let spoke = false;
    const listen = <Data>(name: string, handle: (data: Data) => void) =>
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        spoke = true;
        this.attempt = 0;
        this.heardAt = performance.now();
        handle(JSON.parse((event as MessageEvent<string>).data) as Data);
      });
    listen<Snapshot>("snapshot", (data) => this.handlers.snapshot(data));
    listen<Change>("change", (data) => this.handlers.change(data));
    listen<Beat>("beat", (data) => this.handlers.beat(data));
    listen<{ items: UnreceiptedItem[] }>("unreceipted", (data) => this.handlers.unreceipted(data.items));
    // The browser's own retry cannot be paced; a fresh stream brings a fresh snapshot, so nothing is missed.
    source.addEventListener("error", () => {
      if (source === this.source) this.reopen(spoke);
    });
  }

  private reopen(spoke: boolean): void {
    this.source?.close();
    this.source = null;
    this.handlers.broken(spoke);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), backOffMs(this.attempt++, Math.random()));
  }

  private checkSilence(): void {
    if (this.source && performance.now() - this.heardAt > silenceLimitMs) this.reopen(true);
  }
}
