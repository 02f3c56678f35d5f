import { useId, useRef } from 'react';
import type { ReactNode } from 'react';
import { Button } from './button';

/** Distance to the button and to the window's edges, pixels. */
const GAP = 6;

interface PopoverProps {
  /** What the button shows. */
  readonly face: ReactNode;
  readonly label: string;
  readonly className?: string;
  readonly testId?: string;
  readonly role?: 'menu' | 'dialog';
  readonly title?: string;
  readonly children: ReactNode | ((close: () => void) => ReactNode);
}

/** A button with a panel under it; the browser closes it on Escape, and when a person goes on elsewhere. */
export function Popover({ face, label, className, testId, role = 'dialog', title, children }: PopoverProps): ReactNode {
  const id = useId();
  const button = useRef<HTMLSpanElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const close = (): void => panel.current?.hidePopover();
  return (
    <span ref={button} className="popover-anchor">
      <Button look="quiet" className={className} aria-label={label} aria-haspopup={role} title={title} popoverTarget={id} data-testid={testId}>
        {face}
      </Button>
      <div
        ref={panel}
        id={id}
        className="popover"
        popover="auto"
        role={role}
        aria-label={label}
        onToggle={(event) => {
          if (event.newState === 'open' && button.current !== null) place(event.currentTarget, button.current.getBoundingClientRect());
        }}
      >
        {typeof children === 'function' ? children(close) : children}
      </div>
    </span>
  );
}

/** Under the button, its right edge at the button's, within the window. */
function place(panel: HTMLElement, anchor: DOMRect): void {
  const width = panel.offsetWidth;
  const left = Math.min(Math.max(GAP, anchor.right - width), window.innerWidth - width - GAP);
  panel.style.left = `${Math.max(GAP, left)}px`;
  panel.style.top = `${anchor.bottom + GAP}px`;
  panel.style.maxHeight = `${window.innerHeight - anchor.bottom - 2 * GAP}px`;
}
