import type { Timestamp } from '@bufbuild/protobuf/wkt';

/** A span of time for people, from milliseconds: `40 ms`, `3.2 s`, `2 min 5 s`, `1 h 3 min`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A size for people, from bytes. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** A count for people: `940`, `12.3k`, `1.20M`. */
export function count(value: number): string {
  if (value < 1000) return String(value);
  if (value < 1_000_000) return `${(value / 1000).toFixed(1)}k`;
  return `${(value / 1_000_000).toFixed(2)}M`;
}

/** Money from millionths of a currency; more digits where it is little. */
export function money(micros: bigint, currency: string): string {
  const value = Number(micros) / 1_000_000;
  const digits = value !== 0 && Math.abs(value) < 0.1 ? 4 : 2;
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency, minimumFractionDigits: digits }).format(value);
  } catch {
    return `${value.toFixed(digits)} ${currency}`.trim();
  }
}

/** Milliseconds since 1970 of a timestamp, or undefined. */
export function millis(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
}

/** How long ago, short: `now`, `5 min`, `3 h`, `2 d`, then the date. */
export function ago(time: Timestamp | undefined, now: number): string {
  const then = millis(time);
  if (then === undefined) return '';
  const minutes = Math.floor((now - then) / 60_000);
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  if (minutes < 7 * 24 * 60) return `${Math.floor(minutes / 60 / 24)} d`;
  return new Date(then).toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
}

/** How long ago, in a sentence: `just now`, `5 min ago`, a date. */
export function since(time: Timestamp | undefined, now: number): string {
  const text = ago(time, now);
  if (text === 'now') return 'just now';
  return /^\d+ (min|h|d)$/.test(text) ? `${text} ago` : text;
}

/** Date and time of day, for a tooltip. */
export function clock(time: Timestamp | undefined): string {
  const then = millis(time);
  return then === undefined ? '' : new Date(then).toLocaleString();
}

/** A part of a whole in per cent, from 0 to 1. */
export function share(part: number): string {
  return `${Math.round(part * 100)} %`;
}
