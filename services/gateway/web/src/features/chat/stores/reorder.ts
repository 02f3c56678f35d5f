import { useEffect, useRef, useState } from 'react';
import type { CSSProperties, PointerEvent, RefObject } from 'react';

/** One entry on its way: from and to which place, and how far the pointer has carried it, pixels. */
interface Drag {
  readonly from: number;
  readonly to: number;
  readonly dy: number;
  /** Room that the entry leaves behind, pixels. */
  readonly room: number;
}

/** The list with one entry at another place. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const rest = list.filter((_, index) => index !== from);
  const entry = list[from];
  return entry === undefined ? rest : [...rest.slice(0, to), entry, ...rest.slice(to)];
}

/** The place an entry belongs to, given the middles of all entries and how far it was carried. */
export function placeOf(middles: readonly number[], from: number, dy: number): number {
  const at = (middles[from] ?? 0) + dy;
  return middles.filter((middle, index) => index !== from && (index < from ? middle < at : middle <= at)).length;
}

interface Reorder {
  /** How far each entry is out of its place right now. */
  readonly style: (index: number) => CSSProperties | undefined;
  readonly dragged: number | undefined;
  readonly begin: (event: PointerEvent, index: number) => void;
}

/** Lets a list be put in another order with a finger or a mouse; `onMove` is told when it is let go. */
export function useReorder(list: RefObject<HTMLElement | null>, onMove: (from: number, to: number) => void): Reorder {
  const [drag, setDrag] = useState<Drag | undefined>();
  const end = useRef<() => void>(undefined);
  useEffect(() => () => end.current?.(), []);

  function begin(event: PointerEvent, from: number): void {
    if (event.button !== 0 || list.current === null) return;
    event.preventDefault();
    const boxes = [...list.current.children].map((child) => child.getBoundingClientRect());
    const middles = boxes.map((box) => box.top + box.height / 2);
    const own = boxes[from];
    const next = boxes[from + 1] ?? boxes[from - 1];
    if (own === undefined) return;
    const room = next === undefined ? own.height : Math.abs(next.top - own.top) || own.height;
    const startY = event.clientY;
    let current: Drag = { from, to: from, dy: 0, room };
    const stop = new AbortController();
    const finish = (): void => {
      stop.abort();
      end.current = undefined;
      setDrag(undefined);
    };
    end.current = finish;
    const options = { signal: stop.signal };
    window.addEventListener(
      'pointermove',
      (move) => {
        const dy = move.clientY - startY;
        current = { ...current, dy, to: placeOf(middles, from, dy) };
        setDrag(current);
      },
      options,
    );
    window.addEventListener(
      'pointerup',
      () => {
        finish();
        if (current.to !== current.from) onMove(current.from, current.to);
      },
      options,
    );
    window.addEventListener('pointercancel', finish, options);
    window.addEventListener('keydown', (key) => key.key === 'Escape' && finish(), options);
    setDrag(current);
  }

  return { style: (index) => (drag === undefined ? undefined : shift(drag, index)), dragged: drag?.from, begin };
}

/** The carried entry follows the pointer; those between its old and its new place make room. */
function shift({ from, to, dy, room }: Drag, index: number): CSSProperties {
  if (index === from) return { transform: `translateY(${dy}px)` };
  if (index > from && index <= to) return { transform: `translateY(${-room}px)` };
  if (index < from && index >= to) return { transform: `translateY(${room}px)` };
  return { transform: 'none' };
}
