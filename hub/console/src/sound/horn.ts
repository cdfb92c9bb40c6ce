/** The loudspeaker: plays one pattern over and over through WebAudio, once a person's press has armed it. */

import { patterns, type PatternName } from "./pattern";
import type { Armament } from "./policy";

export class Horn {
  private context: AudioContext | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private playing: PatternName | null = null;

  /** `changed` is called whenever the browser grants or takes away the sound. */
  constructor(private readonly changed: (armament: Armament) => void) {}

  get armament(): Armament {
    if (this.context === null) return "off";
    return this.context.state === "running" ? "armed" : "blocked";
  }

  /** Must run inside a press; resolves when the browser has answered. */
  async arm(): Promise<void> {
    if (this.context === null) {
      this.context = new AudioContext();
      this.context.addEventListener("statechange", () => this.changed(this.armament));
    }
    // A blocked resume() may never settle, so the answer is what the state says a moment later.
    const answered = new Promise((resolve) => setTimeout(resolve, 400));
    await Promise.race([this.context.resume(), answered]);
    this.changed(this.armament);
  }

  disarm(): void {
    this.play(null);
    void this.context?.close();
    this.context = null;
    this.changed("off");
  }

  /** One burst now, whatever else plays: the sound test. */
  test(): void {
    this.burst("low");
  }

  /** Repeats `name` until told otherwise; null stops after the pulse under way. */
  play(name: PatternName | null): void {
    if (name === this.playing) return;
    this.playing = name;
    clearTimeout(this.timer);
    if (name !== null) this.repeat(name);
  }

  private repeat(name: PatternName): void {
    if (this.playing !== name) return;
    this.burst(name);
    this.timer = setTimeout(() => this.repeat(name), patterns[name].period * 1000);
  }

  private burst(name: PatternName): void {
    const context = this.context;
    if (context === null || context.state !== "running") return;
    const { pulses, gain } = patterns[name];
    const start = context.currentTime + 0.02;
    for (const pulse of pulses) {
      const volume = context.createGain();
      const begin = start + pulse.at;
      const end = begin + pulse.length;
      // Ramps of 15 ms keep the pulse from clicking.
      volume.gain.setValueAtTime(0, begin);
      volume.gain.linearRampToValueAtTime(gain * 0.5, begin + 0.015);
      volume.gain.setValueAtTime(gain * 0.5, end - 0.015);
      volume.gain.linearRampToValueAtTime(0, end);
      volume.connect(context.destination);
      // The fundamental carries, a harmonic makes it heard on small loudspeakers.
      for (const multiple of [1, 2]) {
        const tone = context.createOscillator();
        tone.type = "triangle";
        tone.frequency.value = pulse.hz * multiple;
        tone.connect(volume);
        tone.start(begin);
        tone.stop(end);
      }
    }
  }
}
